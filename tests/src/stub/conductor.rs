//! Leads the stubs of a test: each asks before each step, in one line over TCP, and does what it is told.

use super::{Order, Question, Step};
use api::task::{Outcome, TaskKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A Job, its pod and the stub in it take two seconds; beside other tests on two cores, more.
const ASKED_WITHIN: Duration = Duration::from_mins(2);

/// It answers until its runtime ends.
#[derive(Clone, Debug)]
pub struct Conductor {
    address: SocketAddr,
    record: watch::Sender<Record>,
}

/// All that happened, and what is to happen.
#[derive(Debug, Default)]
struct Record {
    asked: Vec<Question>,
    posts: Vec<Question>,
    /// What was ordered for a step; nothing holds it. The last one counts.
    orders: Vec<(TaskKind, Step, Option<Order>)>,
}

impl Record {
    /// None while the step is held.
    fn order(&self, question: &Question) -> Option<Order> {
        let concerns =
            |(kind, step, _): &&(TaskKind, Step, _)| (*kind, *step) == (question.kind, question.step);
        match self.orders.iter().rev().find(concerns) {
            Some((.., order)) => *order,
            None => Some(self.truth(question)),
        }
    }

    /// All goes well, and a proof finds what was done.
    fn truth(&self, question: &Question) -> Order {
        let was_posted = self.posts.iter().any(|post| post.request == question.request);
        match (question.kind, question.step) {
            (TaskKind::Prove, Step::Report) if !was_posted => Order::End(Outcome::Failed),
            (_, Step::Report) => Order::End(Outcome::Done),
            _ => Order::Go,
        }
    }
}

impl Conductor {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let conductor = Self { address: listener.local_addr()?, record: watch::Sender::default() };
        let serving = conductor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        Ok(conductor)
    }

    /// The key of a source whose stubs ask this conductor.
    #[must_use]
    pub fn key(&self) -> String {
        self.address.to_string()
    }

    /// Nobody of this kind gets past the step from now on.
    pub fn hold(&self, kind: TaskKind, step: Step) {
        self.set(kind, step, None);
    }

    /// Whoever asks or has asked for the step is told so.
    pub fn order(&self, kind: TaskKind, step: Step, order: Order) {
        self.set(kind, step, Some(order));
    }

    fn set(&self, kind: TaskKind, step: Step, order: Option<Order>) {
        self.record.send_modify(|record| record.orders.push((kind, step, order)));
    }

    /// Everybody who was let go on to the POST.
    #[must_use]
    pub fn posts(&self) -> Vec<Question> {
        self.record.borrow().posts.clone()
    }

    /// Waits until so many pods have asked for the step; gives their UIDs, in the order of asking.
    ///
    /// # Panics
    /// When they have not within two minutes.
    pub async fn asked(&self, kind: TaskKind, step: Step, count: usize) -> Vec<String> {
        let pods = |record: &Record| -> Vec<String> {
            let of_step = record.asked.iter().filter(|asked| (asked.kind, asked.step) == (kind, step));
            of_step.map(|asked| asked.pod.clone()).collect()
        };
        let mut record = self.record.subscribe();
        let asked = record.wait_for(|record| pods(record).len() >= count);
        let asked = tokio::time::timeout(ASKED_WITHIN, asked).await;
        let asked = asked.unwrap_or_else(|_| {
            panic!("{kind:?} {step:?}: not {count} within {ASKED_WITHIN:?}: {:?}", self.record.borrow().asked)
        });
        asked.map(|record| pods(&record)).unwrap_or_default()
    }

    /// A stub that goes away while it waits is as good as one that never asked: it does nothing more.
    async fn answer(self, stream: TcpStream) {
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        let Ok(Some(line)) = lines.next_line().await else { return };
        let Ok(question) = serde_json::from_str::<Question>(&line) else { return };
        self.record.send_modify(|record| record.asked.push(question.clone()));
        let mut record = self.record.subscribe();
        tokio::select! {
            held = record.wait_for(|record| record.order(&question).is_some()) => drop(held),
            _ = lines.next_line() => return,
        }
        let mut order = Order::Go;
        // Counted before it is told, so that no POST is missed.
        self.record.send_modify(|record| {
            order = record.order(&question).unwrap_or(Order::Go);
            if (question.step, order) == (Step::Post, Order::Go) {
                record.posts.push(question.clone());
            }
        });
        let text = serde_json::to_string(&order).unwrap_or_default();
        // A stub that has gone meanwhile does not hear it.
        let _ = writing.write_all(format!("{text}\n").as_bytes()).await;
    }
}
