//! The WebSockets of one workspace. They outlive the object: the platform keeps them while it
//! sleeps.
//!
//! A listener first catches up, page by page and no faster than it reads, and is told of what
//! happens from then on. Nothing is waited for between its last page and that moment, hence no gap
//! and no repeat. What is not yet told is in memory only: an object that dies takes its sockets with it, and their
//! clients come back and catch up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use syncsphere_coordinator_core::ledger::{Call, Command, Reply, apply};
use syncsphere_protocol::{Change, Frame};
use worker::{Delay, Error, Result, State, WebSocket, console_error};

use crate::database::store_of;
use crate::environment::{self, now_ms};
use crate::object_calls::Subscription;
use crate::sockets::{Listener, Sockets, TRY_AGAIN_LATER};

/// Close code for a listener that a change could not be sent to: a gap must not follow.
/// Source: RFC 6455 section 7.4.1.
const INTERNAL_ERROR: u16 = 1011;

/// For how long changes are held back after some were told, in milliseconds, to be told together. The first after
/// a pause is told at once. Source: issue 5.
const BATCH_MS: i64 = 50;

/// Bytes that may wait for a listener before it is dropped. Source: own choice; some 1,500 changes, and the
/// object has 128 MB for all of its listeners.
const MAX_BUFFERED: u32 = 1024 * 1024;

/// Changes that are read at once while a listener catches up. Source: own choice; about 70 KB, so that a thousand
/// listeners who come back together do not fill the object's memory.
const CATCH_UP_PAGE: u32 = 100;

/// Bytes that may wait for a listener before it is sent the next page. Source: own choice, half a page.
const CATCH_UP_BUFFERED: u32 = 32 * 1024;

/// Pause before it is looked at again how much waits, and how often that is done before the listener counts as dead:
/// half a minute altogether. Source: own choice.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(10);
const CATCH_UP_PAUSES: u32 = 3_000;

/// The listeners of the workspace at hand.
#[derive(Clone)]
pub(crate) struct Listeners(Rc<Shared>);

struct Shared {
    state: Rc<State>,
    sockets: Sockets,
    /// Frames that the live listeners are still to be sent.
    pending: RefCell<Vec<String>>,
    /// When frames were sent last.
    sent_ms: Cell<i64>,
    /// Whether a timer will send the next ones.
    is_flush_scheduled: Cell<bool>,
}

impl Listeners {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self(Rc::new(Shared {
            sockets: Sockets::new(Rc::clone(&state)),
            state,
            pending: RefCell::default(),
            sent_ms: Cell::new(0),
            is_flush_scheduled: Cell::new(false),
        }))
    }

    /// Whether the subject of a subscription may have one more socket.
    pub(crate) fn has_room_for(&self, subscription: &Subscription) -> bool {
        self.0.sockets.has_room_for(subscription)
    }

    /// Takes a socket in: it hears where the feed stands, then what came after `since`, then every
    /// change, until its token dies.
    pub(crate) fn admit(&self, socket: WebSocket, subscription: &Subscription) -> Result<()> {
        // What is pending would be told to the newcomer once more after it has read it.
        self.flush(now_ms());
        let listener = self.0.sockets.admit(socket, subscription)?;
        let seq = match self.ask(Command::Head)? {
            Reply::Head { seq } => seq,
            _ => return Err(Error::RustError("a head was asked for".to_owned())),
        };
        send(&listener.socket, &Frame::Hello { seq })?;
        let Some(since) = subscription.since else {
            return Ok(());
        };
        match self.send_page(&listener.socket, since)? {
            None => listener.go_live(),
            Some(since) => {
                self.catch_up_later(listener, since);
                Ok(())
            }
        }
    }

    /// Tells the live listeners of changes, at once or together with those of the next moment. The
    /// platform holds frames back until what they tell of is on disk.
    pub(crate) fn broadcast(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() || self.0.sockets.is_empty() {
            return Ok(());
        }
        for change in changes {
            let frame = serde_json::to_string(&Frame::Change(Box::new(change)))?;
            self.0.pending.borrow_mut().push(frame);
        }
        let now = now_ms();
        let rest = self.0.sent_ms.get().saturating_add(BATCH_MS).saturating_sub(now);
        if rest <= 0 {
            self.flush(now);
        } else if !self.0.is_flush_scheduled.replace(true) {
            let listeners = self.clone();
            let rest = Duration::from_millis(rest.clamp(1, BATCH_MS).unsigned_abs());
            self.0.state.wait_until(async move {
                Delay::from(rest).await;
                listeners.0.is_flush_scheduled.set(false);
                listeners.flush(now_ms());
            });
        }
        Ok(())
    }

    /// Sends what is pending. No socket holds up another: one that fails or reads too slowly is closed.
    fn flush(&self, now: i64) {
        let frames = self.0.pending.take();
        if frames.is_empty() {
            return;
        }
        self.0.sent_ms.set(now);
        for listener in self.0.sockets.live(now) {
            send_frames(&listener.socket, &frames);
        }
    }

    fn catch_up_later(&self, listener: Rc<Listener>, since: u64) {
        let listeners = self.clone();
        self.0.state.wait_until(async move {
            if let Err(error) = listeners.catch_up(&listener, since).await {
                console_error!("{}", environment::log_line("listener", 500, &error.to_string()));
                let _ = listener
                    .socket
                    .close(Some(INTERNAL_ERROR), Some("a change could not be sent"));
            }
        });
    }

    async fn catch_up(&self, listener: &Listener, mut since: u64) -> Result<()> {
        let socket = &listener.socket;
        for _ in 0..CATCH_UP_PAUSES {
            Delay::from(CATCH_UP_PAUSE).await;
            if !listener.is_open() {
                return Ok(());
            }
            while socket.as_ref().buffered_amount() <= CATCH_UP_BUFFERED {
                self.flush(now_ms());
                match self.send_page(socket, since)? {
                    None => return listener.go_live(),
                    Some(next) => since = next,
                }
            }
        }
        socket.close(Some(TRY_AGAIN_LATER), Some("the changes were not read"))
    }

    /// Sends one page of what came after `since`; gives where the next one begins if there is more.
    fn send_page(&self, socket: &WebSocket, since: u64) -> Result<Option<u64>> {
        let limit = CATCH_UP_PAGE;
        let Reply::Changes(page) = self.ask(Command::Changes { since, limit })? else {
            return Err(Error::RustError("changes were asked for".to_owned()));
        };
        if let Some(seq) = page.reset {
            send(socket, &Frame::Reset { seq })?;
            return Ok(None);
        }
        let last = page.changes.last().map(|change| change.seq);
        for change in page.changes {
            send(socket, &Frame::Change(Box::new(change)))?;
        }
        Ok(last.filter(|last| *last < page.seq))
    }

    /// Asks the ledger what it only has to read for.
    fn ask(&self, command: Command) -> Result<Reply> {
        let call = Call {
            now_ms: now_ms(),
            keep_changes_ms: i64::MAX,
            retention: None,
            command,
        };
        let applied = apply(&mut store_of(&self.0.state), call);
        let applied = applied.map_err(|error| Error::RustError(error.to_string()))?;
        Ok(applied.reply)
    }
}

fn send_frames(socket: &WebSocket, frames: &[String]) {
    if socket.as_ref().buffered_amount() > MAX_BUFFERED {
        let _ = socket.close(Some(TRY_AGAIN_LATER), Some("the changes were not read"));
        return;
    }
    for frame in frames {
        if socket.send_with_str(frame).is_err() {
            // A gap must not follow a change that was missed.
            let _ = socket.close(Some(INTERNAL_ERROR), Some("a change could not be sent"));
            return;
        }
    }
}

fn send(socket: &WebSocket, frame: &Frame) -> Result<()> {
    socket.send_with_str(serde_json::to_string(frame)?)
}
