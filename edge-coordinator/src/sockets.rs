//! The sockets of one workspace as the object remembers them: who listens is read from the platform once, and not again
//! for each change.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use worker::{Result, State, WebSocket};

use crate::object_calls::Subscription;

/// Close code for a listener whose token has died. Source: 4000 to 4999 are for applications
/// (RFC 6455 section 7.4.2); 401 says why.
const TOKEN_EXPIRED: u16 = 4401;

/// Close code for a listener that reads too slowly, or whose catching up was lost: it shall come again later.
/// Source: <https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number>
pub(crate) const TRY_AGAIN_LATER: u16 = 1013;

/// Sockets that one subject may have open in a workspace. Source: own choice: a thirtieth of the 32,768 that an object may
/// hold, so that nobody keeps the others out.
/// <https://developers.cloudflare.com/durable-objects/best-practices/websockets/>
const MOST_OF_A_SUBJECT: usize = 1_000;

/// `readyState` of a socket that can be sent to. Source: <https://websockets.spec.whatwg.org/#dom-websocket-open>
const OPEN: u16 = 1;

/// What the platform keeps with a socket while the object sleeps.
#[derive(Debug, Serialize, Deserialize)]
struct Attachment {
    expires_ms: f64,
    /// Whether the listener has caught up.
    is_live: bool,
    /// Whose it is, by a digest; absent in what earlier releases wrote.
    #[serde(default)]
    subject: String,
}

/// A socket that was let in.
pub(crate) struct Listener {
    pub socket: WebSocket,
    expires_ms: i64,
    subject: String,
    is_live: Cell<bool>,
}

/// The sockets, once they have been read from the platform.
pub(crate) struct Sockets {
    state: Rc<State>,
    known: RefCell<Option<Vec<Rc<Listener>>>>,
}

impl Sockets {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self {
            state,
            known: RefCell::default(),
        }
    }

    /// Whether nobody is known to listen.
    pub(crate) fn is_empty(&self) -> bool {
        self.with_known(|known| known.is_empty())
    }

    /// Whether its subject may have one more.
    pub(crate) fn has_room_for(&self, subscription: &Subscription) -> bool {
        self.with_known(|known| {
            let own = |known: &[Rc<Listener>]| {
                let own = known.iter().filter(|one| one.subject == subscription.subject);
                own.count()
            };
            if own(known) < MOST_OF_A_SUBJECT {
                return true;
            }
            known.retain(|one| one.is_open());
            own(known) < MOST_OF_A_SUBJECT
        })
    }

    /// Takes a socket in.
    pub(crate) fn admit(&self, socket: WebSocket, subscription: &Subscription) -> Result<Rc<Listener>> {
        let listener = Rc::new(Listener {
            socket,
            expires_ms: subscription.expires_ms,
            subject: subscription.subject.clone(),
            is_live: Cell::new(subscription.since.is_none()),
        });
        self.with_known(|known| {
            self.state.accept_web_socket(&listener.socket);
            listener.attach()?;
            // Those that have left are forgotten each time that there are twice as many as before.
            if known.len() == known.capacity() {
                known.retain(|one| one.is_open());
            }
            known.push(Rc::clone(&listener));
            Ok(listener)
        })
    }

    /// Those that hear what happens now. One whose token has died is closed.
    pub(crate) fn live(&self, now_ms: i64) -> Vec<Rc<Listener>> {
        self.with_known(|known| {
            known.retain(|one| {
                let holds = one.expires_ms > now_ms;
                if !holds && one.is_open() {
                    let _ = one
                        .socket
                        .close(Some(TOKEN_EXPIRED), Some("the access token has expired"));
                }
                holds && one.is_open()
            });
            known.iter().filter(|one| one.is_live.get()).cloned().collect()
        })
    }

    fn with_known<T>(&self, work: impl FnOnce(&mut Vec<Rc<Listener>>) -> T) -> T {
        let mut known = self.known.borrow_mut();
        work(known.get_or_insert_with(|| read(&self.state)))
    }
}

impl Listener {
    pub(crate) fn is_open(&self) -> bool {
        self.socket.as_ref().ready_state() == OPEN
    }

    /// It has caught up: it hears what happens from now on.
    pub(crate) fn go_live(&self) -> Result<()> {
        self.is_live.set(true);
        self.attach()
    }

    fn attach(&self) -> Result<()> {
        self.socket.serialize_attachment(Attachment {
            expires_ms: float(self.expires_ms),
            is_live: self.is_live.get(),
            subject: self.subject.clone(),
        })
    }
}

/// The sockets that outlived the object's memory.
fn read(state: &State) -> Vec<Rc<Listener>> {
    let sockets = state.get_websockets().into_iter();
    let known = sockets.filter_map(|socket| {
        let Ok(Some(attachment)) = socket.deserialize_attachment::<Attachment>() else {
            let _ = socket.close(Some(TOKEN_EXPIRED), Some("the access token has expired"));
            return None;
        };
        if !attachment.is_live {
            // Whoever was catching up then does not any more.
            let _ = socket.close(Some(TRY_AGAIN_LATER), Some("catching up was interrupted"));
            return None;
        }
        Some(Rc::new(Listener {
            socket,
            expires_ms: whole(attachment.expires_ms),
            subject: attachment.subject,
            is_live: Cell::new(true),
        }))
    });
    known.collect()
}

/// JavaScript's numbers are floats; milliseconds of this age are exact in them.
#[allow(clippy::cast_precision_loss)]
fn float(milliseconds: i64) -> f64 {
    milliseconds as f64
}

#[allow(clippy::cast_possible_truncation)]
fn whole(milliseconds: f64) -> i64 {
    milliseconds as i64
}
