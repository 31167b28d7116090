//! A run, by a task of its own: what is about to be run is written down, then the origin is asked, then how it ended is written down, then whoever waits hears of it.
//!
//! Whatever ends this process in between leaves a key that is in doubt, or one that is done; never one that may run again after its origin was asked.

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use selvedge_filters::cache::Scheme;
use selvedge_filters::idempotency::{Fence, Refusal};
use tokio::sync::{mpsc, oneshot};

use super::Task;
use super::leg::{self, Goal, Open};
use super::order::{Order, Word};
use super::reply::{self, Collected, Reply};
use crate::edge::Edge;
use crate::edge::answer::Answer;
use crate::edge::context::Context;
use crate::edge::forwarded::{self, Trust};
use crate::keep::{Kept, Said, Turn};
use crate::shield::{self, Parent};

/// Tasks of a response on their way to a client that is slower.
const AHEAD: usize = 4;

/// What came of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was run.
    First(Box<Reply>),
    /// It was run before.
    Repeat(Box<Reply>),
    Refused(Refusal),
    Failed(Failed),
}

impl Outcome {
    /// Whether it is a response of the origin.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Outcome::First(_) | Outcome::Repeat(_))
    }

    /// In a word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Outcome::First(_) => "first",
            Outcome::Repeat(_) => "repeat",
            Outcome::Refused(refusal) => refusal.name(),
            Outcome::Failed(failed) => failed.word(),
        }
    }
}

/// A run without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed {
    /// Whether the origin may have heard of it: nobody knows what it did. Else it was not run.
    pub(super) was_sent: bool,
    /// Whether it was too slow.
    pub(super) is_late: bool,
}

impl Failed {
    fn word(self) -> &'static str {
        if self.was_sent { "lost" } else { "not-run" }
    }

    /// Its word, and what the client is told.
    pub(super) fn text(self) -> String {
        format!("{} {}", self.word(), if self.is_late { "late" } else { "broken" })
    }

    /// Reads what [`text`](Failed::text) gives.
    pub(super) fn parse(text: &str) -> Option<Failed> {
        let all = [(false, false), (false, true), (true, false), (true, true)];
        let mut all = all.into_iter().map(|(was_sent, is_late)| Failed { was_sent, is_late });
        all.find(|failed| failed.text() == text)
    }

    pub(super) fn answer(self) -> Answer {
        if self.is_late { Answer::GatewayTimeout } else { Answer::BadGateway }
    }
}

/// What a run brought.
struct Brought {
    reply: Result<Reply, Failed>,
}

/// Runs a request at this node, unless its key says otherwise.
///
/// # Errors
/// When nobody can be asked, which would be a fault of ours.
pub(super) async fn here(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    task: &Task,
    alone: bool,
) -> Result<Outcome> {
    Ok(numbered(edge, session, context, task, alone).await?.0)
}

/// The same, with the number of the run where it was one.
///
/// # Errors
/// The same.
pub(super) async fn numbered(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    task: &Task,
    alone: bool,
) -> Result<(Outcome, Fence)> {
    let none = |outcome| Ok((outcome, Fence(0)));
    let Some(runs) = edge.node.runs() else { return none(Outcome::Refused(Refusal::Unwritable)) };
    let turn = match runs.ask(task.question).await {
        Said::Run(turn) => turn,
        Said::Again(kept) => return none(Outcome::Repeat(Box::new(Reply::of(*kept)?))),
        Said::No(refusal) => return none(Outcome::Refused(refusal)),
    };
    let fence = turn.fence();
    let open = match leg::open(session, context, Goal::Origin { fence, alone }, &task.body).await {
        Ok(open) => open,
        Err(error) => {
            turn.void();
            return Err(error);
        }
    };
    let told = std::sync::Arc::clone(&open.told);
    let (tell, heard) = oneshot::channel();
    tokio::spawn(drive(open, turn, (task.question.response_max, task.not_done.clone()), tell));
    // It panicked, if it says nothing.
    let brought = heard.await.unwrap_or(Brought { reply: Err(Failed { was_sent: true, is_late: false }) });
    leg::note(context, &told);
    Ok(match brought.reply {
        Ok(reply) => (Outcome::First(Box::new(reply)), fence),
        Err(failed) => (Outcome::Failed(failed), fence),
    })
}

/// Brings a run to its end, whoever waits for it.
async fn drive(mut open: Open, turn: Turn, (max, not_done): (u64, Vec<u16>), tell: oneshot::Sender<Brought>) {
    let failed = |open: &Open, turn: Turn| {
        let failed = Failed { was_sent: open.told.was_sent(), is_late: open.told.is_late() };
        if failed.was_sent {
            drop(turn);
        } else {
            turn.void();
        }
        Brought { reply: Err(failed) }
    };
    let Some((header, is_over)) = reply::first(&mut open.tasks).await else {
        let brought = failed(&open, turn);
        return drop(tell.send(brought));
    };
    let collected = if is_over { Collected::Whole(Bytes::new()) } else { reply::collect(&mut open.tasks, max).await };
    let (status, fields) = (header.status.as_u16(), reply::kept_fields(&header.headers));
    match collected {
        Collected::BrokenOff => {
            let brought = failed(&open, turn);
            drop(tell.send(brought));
        }
        Collected::Whole(body) => {
            let kept = Kept { status, fields, body };
            if not_done.contains(&status) {
                turn.void();
            } else {
                turn.done(&kept).await;
            }
            let reply = Reply::of(kept).map_err(|_| Failed { was_sent: true, is_late: false });
            // Whoever left hears of it with a repeat.
            drop(tell.send(Brought { reply }));
        }
        Collected::Longer(first) => {
            turn.unkept(status).await;
            pass_on(open, (header, first), tell).await;
        }
    }
}

/// Hands on a response that is too long to be kept.
async fn pass_on(mut open: Open, (header, first): (ResponseHeader, Bytes), tell: oneshot::Sender<Brought>) {
    let (more, rest) = mpsc::channel(AHEAD);
    let mut own = match reply::header(header.status.as_u16(), &reply::kept_fields(&header.headers)) {
        Ok(own) => own,
        Err(_) => return,
    };
    if let Some(length) = header.headers.get(http::header::CONTENT_LENGTH) {
        // Of the same body.
        let _ = own.insert_header(http::header::CONTENT_LENGTH, length);
    }
    if tell.send(Brought { reply: Ok(Reply::coming(own, first, rest, None)) }).is_err() {
        return;
    }
    while let Some(task) = open.tasks.recv().await {
        let is_end = matches!(task, HttpTask::Failed(_)) || task.is_end();
        if more.send(task).await.is_err() || is_end {
            return;
        }
    }
}

/// What is heard of the home of a key.
pub(super) enum Heard {
    Answer(Outcome),
    /// A kept connection to it was closed meanwhile, which says nothing.
    KeptGone,
    Nothing,
}

/// Has a request run by the home of its key.
///
/// # Errors
/// When nobody can be asked, which would be a fault of ours.
pub(super) async fn there(
    session: &mut Session,
    context: &mut Context,
    task: &Task,
    home: &std::sync::Arc<Parent>,
) -> Result<Heard> {
    let (Some(client), Some(peer), Some(origin)) = (context.client, context.peer, context.origin.clone()) else {
        return Ok(Heard::Nothing);
    };
    if context.original.is_none() {
        forwarded::drop_claims(session.req_header_mut(), client);
    }
    let target = context.target.clone();
    let request = shield::Order {
        rerouted: context.rerouted,
        is_tls: target.scheme == Scheme::Https,
        authority: target.authority,
        path: target.path,
        query: target.query,
        client: client.address,
        is_forwarded: client.via == Trust::Proxy,
        peer,
        ..shield::Order::new(origin.name(), context.id.number())
    };
    let order = Order::new(request, &task.policy, (task.question.name, task.question.print)).encode();
    let goal = Goal::Home { home: std::sync::Arc::clone(home), order: order.into() };
    let mut open = leg::open(session, context, goal, &task.body).await?;
    let first = reply::first(&mut open.tasks).await;
    leg::note(context, &open.told);
    let Some((header, is_over)) = first else {
        return Ok(if open.told.kept_gone() { Heard::KeptGone } else { Heard::Nothing });
    };
    let Some(word) = Word::read(&header.headers) else { return Ok(Heard::Nothing) };
    let reply = || {
        let Open { tasks, body, .. } = open;
        if is_over {
            let Ok(reply) = Reply::of(Kept {
                status: header.status.as_u16(),
                fields: reply::kept_fields(&header.headers),
                body: Bytes::new(),
            }) else {
                return None;
            };
            return Some(Box::new(reply));
        }
        Some(Box::new(Reply::coming(header, Bytes::new(), tasks, Some(body))))
    };
    let outcome = match word {
        Word::First(_) => reply().map(Outcome::First),
        Word::Repeat => reply().map(Outcome::Repeat),
        Word::Refused(refusal) => Some(Outcome::Refused(refusal)),
        Word::Failed(failed) => Some(Outcome::Failed(failed)),
    };
    Ok(outcome.map_or(Heard::Nothing, Heard::Answer))
}
