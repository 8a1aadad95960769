//! How long to wait before what ended is begun again: longer each time it could not even begin.

/// The first pause, and the longest.
const FIRST_MILLISECONDS: u64 = 500;
const LAST_MILLISECONDS: u64 = 30_000;

/// The next pause.
#[derive(Debug, Clone, Copy)]
pub struct Pause(u64);

impl Pause {
    /// Nothing has failed yet.
    pub fn new() -> Self {
        Self(FIRST_MILLISECONDS)
    }

    /// It had begun.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// How long to wait now, in milliseconds.
    pub fn next(&mut self) -> u64 {
        let now = self.0;
        self.0 = (now * 2).min(LAST_MILLISECONDS);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_longest() {
        let mut pause = Pause::new();
        let all: Vec<u64> = (0..8).map(|_| pause.next()).collect();
        assert_eq!(all, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        pause.reset();
        assert_eq!(pause.next(), 500);
    }
}
