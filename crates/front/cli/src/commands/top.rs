//! `teu top`: the processes of a container.

use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Matches, Order};
use crate::output::align;
use crate::text::plain;

/// The command.
pub const TOP: Command = Command {
    usage: "CONTAINER [ps OPTIONS]",
    arity: Arity::AtLeast(1),
    order: Order::FlagsFirst,
    operands: Completes::Running,
    examples: &[("teu top web -o pid,rss,args", "columns of ps")],
    ..Command::new("top", "Display the running processes of a container", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let processes = ctx.containers()?.top(matches.operand(0), &matches.operands[1..])?;
    let mut rows = vec![processes.titles];
    for row in processes.rows {
        rows.push(row.iter().map(|cell| plain(cell).into_owned()).collect());
    }
    ctx.print(&align(&rows))?;
    Ok(0)
}
