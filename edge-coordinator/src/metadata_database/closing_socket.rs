use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use worker::Socket;
use worker::wasm_bindgen_futures::spawn_local;

/// A socket that is closed when it is dropped. The platform's own stays open for as long as the object
/// lives, and with it a connection of the database.
pub(super) struct ClosingSocket(Option<Socket>);

impl ClosingSocket {
    pub(super) fn new(socket: Socket) -> Self {
        Self(Some(socket))
    }

    fn socket(self: Pin<&mut Self>) -> io::Result<Pin<&mut Socket>> {
        let socket = self.get_mut().0.as_mut();
        socket
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for ClosingSocket {
    fn drop(&mut self) {
        if let Some(mut socket) = self.0.take() {
            spawn_local(async move {
                // It may be closed already.
                let _ = socket.close().await;
            });
        }
    }
}

impl AsyncRead for ClosingSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for ClosingSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(cx)
    }
}
