//! Many of the same, without flooding the API when none of it can succeed: one first, then twice as
//! many each time, until one fails.

use std::future::Future;
use teu_api::Status;
use tokio::task::JoinSet;

/// How many are done at most in one look.
pub const MOST: usize = 500;

/// Does something for each; answers how many succeeded, and the first failure. After a failure nothing
/// more is begun.
pub async fn slow_start<T, F>(items: Vec<T>, act: impl Fn(T) -> F) -> (usize, Option<Status>)
where
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (mut done, mut failure) = (0, None);
    let mut items = items.into_iter().take(MOST);
    let mut size = 1;
    while failure.is_none() {
        let mut running: JoinSet<Result<(), Status>> =
            items.by_ref().take(size).map(&act).collect();
        if running.is_empty() {
            break;
        }
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(Ok(())) => done += 1,
                Ok(Err(status)) => drop(failure.get_or_insert(status)),
                Err(error) => drop(failure.get_or_insert_with(|| Status::internal(error))),
            }
        }
        size *= 2;
    }
    (done, failure)
}
