use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, XmlHttpRequest};

use crate::host::LaneHost;
use crate::reading::{ReadFailure, Scratch, check_readable, checksum_of, copy_of};
use crate::sending::{Outcome, PartRequest, send};

/// Reads, checksums and sends slices of files on behalf of a [`crate::Conductor`].
#[wasm_bindgen]
pub struct Lane(Rc<Desk>);

#[wasm_bindgen]
impl Lane {
    /// A lane with nothing to do. `copies_bodies` says whether what it sends is copied to memory first,
    /// one copy of a part for each request under way.
    #[wasm_bindgen(constructor)]
    pub fn new(host: LaneHost, copies_bodies: bool) -> Self {
        Self(Rc::new(Desk {
            host,
            copies_bodies,
            sending: RefCell::default(),
            to_hash: RefCell::default(),
            hashing: Cell::new(None),
            reading: Cell::new(false),
            scratch: RefCell::default(),
        }))
    }

    /// Computes the CRC64NVME of a slice; answered by `hashed` or `attemptFailed`.
    pub fn hash(&self, attempt: u64, file: Blob, offset: f64, length: f64) {
        self.0.to_hash.borrow_mut().push_back(HashOrder {
            attempt,
            file,
            offset,
            length,
        });
        if !self.0.reading.replace(true) {
            let desk = Rc::clone(&self.0);
            spawn_local(async move { desk.hash_all().await });
        }
    }

    /// Sends a slice; answered by `sent`, any number of times, then `stored` or `attemptFailed`.
    #[allow(clippy::too_many_arguments, reason = "the fields of one message")]
    pub fn send(
        &self,
        attempt: u64,
        file: Blob,
        offset: f64,
        length: f64,
        method: String,
        url: String,
        headers: Vec<String>,
        fields: Vec<String>,
    ) {
        let desk = Rc::clone(&self.0);
        let request = PartRequest {
            method,
            url,
            headers,
            fields,
        };
        spawn_local(async move {
            match file.slice_with_f64_and_f64(offset, offset + length) {
                Ok(slice) => desk.send(attempt, &slice, &request).await,
                Err(_) => desk.read_failed(attempt, ReadFailure::Unreadable),
            }
        });
    }

    /// Stops an attempt. Nothing more is said of it.
    pub fn cancel(&self, attempt: u64) {
        self.0.cancel(attempt);
    }
}

struct Desk {
    host: LaneHost,
    copies_bodies: bool,
    /// The requests under way; one taken out is no longer wanted.
    sending: RefCell<Vec<(u64, XmlHttpRequest)>>,
    /// Slices are hashed one at a time: together they would only all end late.
    to_hash: RefCell<VecDeque<HashOrder>>,
    /// The attempt that is being hashed, if it is still wanted.
    hashing: Cell<Option<u64>>,
    /// Whether the queue is being worked off.
    reading: Cell<bool>,
    scratch: RefCell<Scratch>,
}

struct HashOrder {
    attempt: u64,
    file: Blob,
    offset: f64,
    length: f64,
}

impl Desk {
    async fn hash_all(&self) {
        let mut scratch = self.scratch.take();
        loop {
            let next = self.to_hash.borrow_mut().pop_front();
            let Some(order) = next else { break };
            self.hash(order, &mut scratch).await;
        }
        self.scratch.replace(scratch);
        self.reading.set(false);
    }

    async fn hash(&self, order: HashOrder, scratch: &mut Scratch) {
        let attempt = order.attempt;
        self.hashing.set(Some(attempt));
        let is_wanted = || self.hashing.get() == Some(attempt);
        let result = match order
            .file
            .slice_with_f64_and_f64(order.offset, order.offset + order.length)
        {
            Ok(slice) if slice.size() == order.length => checksum_of(&slice, scratch, is_wanted).await,
            Ok(_) => Err(ReadFailure::Changed),
            Err(_) => Err(ReadFailure::Unreadable),
        };
        if is_wanted() {
            match result {
                Ok(Some(checksum)) => self.host.hashed(attempt, checksum.to_u64()),
                Ok(None) => {}
                Err(failure) => self.read_failed(attempt, failure),
            }
        }
        self.hashing.set(None);
    }

    async fn send(self: Rc<Self>, attempt: u64, slice: &Blob, request: &PartRequest) {
        let Ok(xhr) = XmlHttpRequest::new() else {
            return self.host.attempt_failed(attempt, "network", 0, "", None);
        };
        self.sending.borrow_mut().push((attempt, xhr.clone()));
        let report = {
            let desk = Rc::clone(&self);
            move |loaded| desk.host.sent(attempt, loaded)
        };
        let outcome = match self.body(attempt, slice).await {
            Ok(Some(body)) => Ok(send(&xhr, &body, request, report).await),
            Ok(None) => return,
            Err(failure) => Err(failure),
        };
        let outcome = match outcome {
            // An edited file ends an upload like a broken network does.
            Ok(Outcome::Network) => check_readable(slice).await.map(|()| Outcome::Network),
            other => other,
        };
        if self.take_request(attempt).is_none() {
            return;
        }
        match outcome {
            Err(failure) => self.read_failed(attempt, failure),
            Ok(Outcome::Stored { protocol }) => self.host.stored(attempt, protocol),
            Ok(Outcome::Refused {
                status,
                body,
                retry_after,
            }) => self
                .host
                .attempt_failed(attempt, "refused", status, &body, retry_after),
            Ok(Outcome::Network) => self.host.attempt_failed(attempt, "network", 0, "", None),
        }
    }

    /// What to send of a slice; `None` once the attempt is no longer wanted.
    async fn body(&self, attempt: u64, slice: &Blob) -> Result<Option<Blob>, ReadFailure> {
        if !self.copies_bodies {
            return Ok(Some(slice.clone()));
        }
        let is_wanted = || self.sending.borrow().iter().any(|(known, _)| *known == attempt);
        copy_of(slice, is_wanted).await
    }

    fn read_failed(&self, attempt: u64, failure: ReadFailure) {
        let failure = match failure {
            ReadFailure::Changed => "file_changed",
            ReadFailure::Unreadable => "file_unreadable",
        };
        self.host.attempt_failed(attempt, failure, 0, "", None);
    }

    fn cancel(&self, attempt: u64) {
        if let Some(xhr) = self.take_request(attempt) {
            // It throws only where it was never sent.
            let _ = xhr.abort();
        }
        self.to_hash.borrow_mut().retain(|order| order.attempt != attempt);
        if self.hashing.get() == Some(attempt) {
            self.hashing.set(None);
        }
    }

    fn take_request(&self, attempt: u64) -> Option<XmlHttpRequest> {
        let mut sending = self.sending.borrow_mut();
        let index = sending.iter().position(|(known, _)| *known == attempt)?;
        Some(sending.swap_remove(index).1)
    }
}
