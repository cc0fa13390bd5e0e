//! The WebSockets of one workspace. They outlive the object: the platform keeps them while it
//! sleeps.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{Change, Frame};
use worker::{Result, State, WebSocket};

/// Close code for a listener whose token has died. Source: 4000 to 4999 are for applications
/// (RFC 6455 section 7.4.2); 401 says why.
const TOKEN_EXPIRED: u16 = 4401;

/// What the platform keeps with a socket while the object sleeps.
#[derive(Debug, Serialize, Deserialize)]
struct Attachment {
    expires_ms: f64,
}

/// Takes a socket in: from now on it hears every change, until its token dies.
pub(crate) fn accept(state: &State, socket: &WebSocket, expires_ms: i64) -> Result<()> {
    state.accept_web_socket(socket);
    // JavaScript's numbers are floats; milliseconds of this age are exact in them.
    #[allow(clippy::cast_precision_loss)]
    let expires_ms = expires_ms as f64;
    socket.serialize_attachment(Attachment { expires_ms })
}

/// Sends one frame. A socket that cannot take it is gone, which it will notice itself.
pub(crate) fn send(socket: &WebSocket, frame: &Frame) -> Result<()> {
    socket.send_with_str(serde_json::to_string(frame)?)
}

/// Sends changes to everyone who listens. The platform holds them back until what they tell of is
/// on disk.
pub(crate) fn broadcast(state: &State, changes: Vec<Change>, now_ms: i64) -> Result<()> {
    let sockets = match changes.is_empty() {
        true => return Ok(()),
        false => state.get_websockets(),
    };
    let frames: Vec<String> = changes
        .into_iter()
        .map(|change| serde_json::to_string(&Frame::Change(Box::new(change))))
        .collect::<serde_json::Result<_>>()?;
    for socket in sockets {
        if has_expired(&socket, now_ms) {
            let _ = socket.close(Some(TOKEN_EXPIRED), Some("the access token has expired"));
            continue;
        }
        for frame in &frames {
            if socket.send_with_str(frame).is_err() {
                // A gap must not follow a change that was missed.
                let _ = socket.close(Some(1011), Some("a change could not be sent"));
                break;
            }
        }
    }
    Ok(())
}

fn has_expired(socket: &WebSocket, now_ms: i64) -> bool {
    #[allow(clippy::cast_precision_loss)]
    let now_ms = now_ms as f64;
    match socket.deserialize_attachment::<Attachment>() {
        Ok(Some(attachment)) => attachment.expires_ms <= now_ms,
        Ok(None) | Err(_) => true,
    }
}
