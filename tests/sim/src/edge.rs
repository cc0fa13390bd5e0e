//! Runs the real coordinator: its requests are futures whose ways out, storage and ledger, the
//! simulation answers when their time has come, or never.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use syncsphere_coordinator_core::ledger::{Call, Reply};
use syncsphere_coordinator_core::{
    Context, Coordinator, NoIdentityProviders, Storage, StorageFailure, WorkspaceFailure, Workspaces,
};
use syncsphere_protocol::WorkspaceId;

/// Where an answer is put for the future that waits for it.
pub struct Oneshot<T>(Rc<RefCell<Waiting<T>>>);

struct Waiting<T> {
    answer: Option<T>,
    waker: Option<Waker>,
}

impl<T> Oneshot<T> {
    /// Whoever answers, and whoever waits.
    pub fn new() -> (Self, Self) {
        let waiting = Rc::new(RefCell::new(Waiting {
            answer: None,
            waker: None,
        }));
        (Self(Rc::clone(&waiting)), Self(waiting))
    }

    /// Puts the answer in and wakes who waits for it.
    pub fn answer(self, answer: T) {
        let mut waiting = self.0.borrow_mut();
        waiting.answer = Some(answer);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// Gives the answer once it is there.
    pub async fn wait(self) -> T {
        std::future::poll_fn(move |context| self.poll(context)).await
    }

    fn poll(&self, context: &TaskContext<'_>) -> Poll<T> {
        let mut waiting = self.0.borrow_mut();
        waiting.waker = Some(context.waker().clone());
        waiting.answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A way out that the coordinator has taken.
pub struct Outgoing {
    /// The request that it belongs to.
    pub task: u64,
    /// What is asked.
    pub ask: PortCall,
}

/// What a coordinator request asks of its ports.
pub enum PortCall {
    /// Storage.
    Storage {
        /// The signed request.
        request: http::Request<Vec<u8>>,
        /// Takes the answer.
        slot: Oneshot<Result<http::Response<Vec<u8>>, StorageFailure>>,
    },
    /// A workspace's ledger.
    Ledger {
        /// Which workspace.
        workspace: WorkspaceId,
        /// The command.
        call: Call,
        /// Takes the answer.
        slot: Oneshot<Result<Reply, WorkspaceFailure>>,
    },
}

#[derive(Default)]
struct Shared {
    current: Cell<u64>,
    outbox: RefCell<Vec<Outgoing>>,
}

/// Gives a response, if it is a request that runs.
type Running = Pin<Box<dyn Future<Output = Option<http::Response<Vec<u8>>>>>>;

/// The coordinator and its requests under way.
pub struct Edge {
    coordinator: Rc<Coordinator>,
    shared: Rc<Shared>,
    running: BTreeMap<u64, Running>,
}

impl Edge {
    /// An idle coordinator.
    pub fn new(coordinator: Coordinator) -> Self {
        Self {
            coordinator: Rc::new(coordinator),
            shared: Rc::default(),
            running: BTreeMap::new(),
        }
    }

    /// What answers requests.
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// Begins a request.
    pub fn start(&mut self, task: u64, request: http::Request<Vec<u8>>, context: Context) {
        let coordinator = Rc::clone(&self.coordinator);
        let ports = Ports(Rc::clone(&self.shared));
        let future = async move {
            let answered = coordinator
                .handle(request, context, &ports, &ports, &NoIdentityProviders)
                .await;
            Some(answered)
        };
        self.running.insert(task, Box::pin(future));
    }

    /// Lets a workspace's alarm ring.
    pub fn ring(&mut self, task: u64, workspace: WorkspaceId, context: Context) {
        let coordinator = Rc::clone(&self.coordinator);
        let ports = Ports(Rc::clone(&self.shared));
        let future = async move {
            coordinator
                .run_due_jobs(&workspace, &context, &ports, &ports)
                .await;
            None
        };
        self.running.insert(task, Box::pin(future));
    }

    /// The coordinator's clock strikes: the bucket is looked through.
    pub fn strike(&mut self, task: u64, context: Context) {
        let coordinator = Rc::clone(&self.coordinator);
        let ports = Ports(Rc::clone(&self.shared));
        let future = async move {
            let begun = coordinator.look_for_orphans(&context, &ports, &ports).await;
            begun.expect("the ledger answers");
            None
        };
        self.running.insert(task, Box::pin(future));
    }

    /// Whether it has neither ended nor died.
    pub fn is_running(&self, task: u64) -> bool {
        self.running.contains_key(&task)
    }

    /// Lets a request go on as far as it can; gives its response once it has one, and everything it
    /// asks of its ports meanwhile.
    pub fn poll(&mut self, task: u64) -> (Option<http::Response<Vec<u8>>>, Vec<Outgoing>) {
        let Some(future) = self.running.get_mut(&task) else {
            return (None, Vec::new());
        };
        self.shared.current.set(task);
        let response = match future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
            Poll::Ready(response) => {
                self.running.remove(&task);
                response
            }
            Poll::Pending => None,
        };
        (response, self.shared.outbox.take())
    }

    /// The coordinator's machine dies in the middle of this request.
    pub fn crash(&mut self, task: u64) -> bool {
        self.running.remove(&task).is_some()
    }
}

struct Ports(Rc<Shared>);

impl Ports {
    async fn ask<T>(&self, ask: impl FnOnce(Oneshot<T>) -> PortCall) -> T {
        let (ours, theirs) = Oneshot::new();
        let outgoing = Outgoing {
            task: self.0.current.get(),
            ask: ask(theirs),
        };
        self.0.outbox.borrow_mut().push(outgoing);
        ours.wait().await
    }
}

impl Storage for Ports {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        _timeout: Duration,
        _reply_limit: usize,
    ) -> Result<http::Response<Vec<u8>>, StorageFailure> {
        self.ask(|slot| PortCall::Storage { request, slot }).await
    }
}

impl Workspaces for Ports {
    async fn call(&self, workspace: &WorkspaceId, call: Call) -> Result<Reply, WorkspaceFailure> {
        let workspace = workspace.clone();
        self.ask(|slot| PortCall::Ledger {
            workspace,
            call,
            slot,
        })
        .await
    }
}
