//! Views without the daemon: the same sources and folds, and nothing is written down, told or kept.

use std::time::{Duration, Instant};

use segwall_host::rtnl_dump;

use super::{Board, Seen, View};
use crate::daemon::Watched;
use crate::event::{At, Event};
use crate::live::{self, Live, LiveError};
use crate::state::State;
use crate::totals::Totals;
use crate::traffic::Traffic;

const ROUND: Duration = Duration::from_secs(1);

struct Alone {
    state: State,
    totals: Totals,
    traffic: Traffic,
    board: Board,
}

impl Alone {
    fn event(&mut self, at: At, event: &Event) {
        self.totals.event(self.state.network(), event);
        self.traffic.event(self.state.network(), event);
        self.board.event(at, event, &self.traffic);
        for alert in self.state.step(at, event) {
            self.totals.alert(&alert);
            self.board.told(&alert);
        }
    }
}

/// Makes a view a second until `each` gives false.
///
/// # Errors
/// When a source fails for good.
pub fn alone(watched: &Watched, live: &mut Live, each: &mut dyn FnMut(View) -> bool) -> Result<(), LiveError> {
    let mut state = State::new(watched.network.clone(), watched.options);
    state.silence(watched.silences.clone());
    let mut alone = Alone { state, totals: Totals::default(), traffic: Traffic::default(), board: Board::default() };
    live.seen(true);
    alone.board.seen(true);
    live.begin(&mut |at, event| alone.event(at, &event))?;
    let mut shown = None::<Instant>;
    loop {
        if shown.is_none_or(|shown| shown.elapsed() >= ROUND) {
            shown = Some(Instant::now());
            // Nobody stores them here.
            alone.traffic.drain().for_each(drop);
            let links = rtnl_dump::link_counts().map_err(LiveError::Links)?;
            let Alone { state, totals, traffic, board } = &alone;
            let seen = Seen { at: live::now(), state, totals, traffic, links: &links, policy: &watched.policy };
            if !each(board.view(seen)) {
                return Ok(());
            }
        }
        live.read(ROUND, &mut |at, event| alone.event(at, &event))?;
    }
}
