//! Requests to purge: `PURGE` of a URL, and batches at a path of their own.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use selvedge_filters::purge::Reach;

use super::answer::Answer;
use super::context::Context;
use super::form::{self, FORM_MAX, Form};
use super::purger::{Purger, Refusal};
use super::purging::{places, url};
use crate::admin::purges::{Batch, Once, once};
use crate::admin::repeats;
use crate::admin::report::{NewPurge, PurgedUrl};
use crate::node::Node;
use crate::purge::{made_by, purge};

/// Fields that ask for a soft purge, with the value `1`.
const SOFT_FIELDS: [&str; 2] = ["selvedge-soft", "fastly-soft-purge"];

/// Why a batch was not made.
enum Unmade {
    Refused(Refusal),
    Wrong(String),
}

/// Obeys a request to purge from those who may send one; nothing where the config does not speak of them.
///
/// # Errors
/// When the client's connection fails before all of a batch is here.
pub(super) async fn asked(
    node: &Arc<Node>,
    session: &mut Session,
    context: &Context,
) -> pingora::Result<Option<Answer>> {
    let Some(config) = &context.plan.config.purge else { return Ok(None) };
    let is_batch = config.path.as_deref() == Some(&context.target.path);
    let answer = match session.req_header().method.as_str() {
        "PURGE" => one(node, session, context).unwrap_or_else(|refusal| refused(node, refusal)),
        "POST" if is_batch => batch(node, session, context).await?,
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn refused(node: &Node, refusal: Refusal) -> Answer {
    node.metrics.purge_refused(refusal.as_str());
    Answer::MayNotPurge(refusal)
}

/// Purges the URL of a request.
fn one(node: &Node, session: &Session, context: &Context) -> Result<Answer, Refusal> {
    let request = session.req_header();
    let purger = Purger::of(context, &request.headers)?;
    let reach = if is_soft(request) { Reach::Soft } else { Reach::Hard };
    let [stored, asked] = places(session, context);
    // What rules make of it is the config's business.
    purger.may(node, &[url(asked)], reach)?;
    let mut wanted = vec![url(stored)];
    if asked != stored {
        wanted.push(url(asked));
    }
    let last = purge(node, &wanted, reach, &purger.name()).ok().and_then(|made| made.last().copied());
    let Some(made) = last else { return Ok(Answer::Internal) };
    let said = PurgedUrl { by: made_by(node, Some(made)), seq: made.dot.seq.0, soft: reach == Reach::Soft };
    Ok(Answer::Purged(serde_json::to_vec(&said).map_or_else(|_| Bytes::new(), Bytes::from)))
}

fn is_soft(request: &RequestHeader) -> bool {
    SOFT_FIELDS.iter().any(|field| request.headers.get(*field).is_some_and(|value| value == "1"))
}

/// Purges what a body says, as the admin socket does. Who asks is known before it is read.
async fn batch(node: &Arc<Node>, session: &mut Session, context: &Context) -> pingora::Result<Answer> {
    let purger = match Purger::holder(context, &session.req_header().headers) {
        Ok(purger) => purger,
        Err(refusal) => return Ok(refused(node, refusal)),
    };
    let wrong = |status, why| Ok(Answer::BadPurge { status, why });
    let key = match repeats::key(&session.req_header().headers) {
        // Keys of one are not those of another.
        Ok(key) => key.map(|key| format!("{} {key}", purger.name())),
        Err(why) => return wrong(StatusCode::BAD_REQUEST, why),
    };
    let body = match whole(session, context).await? {
        Ok(body) => body,
        Err(answer) => return Ok(answer),
    };
    let new: NewPurge = match serde_json::from_slice(&body) {
        Ok(new) => new,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let question = new.clone();
    let made = async {
        let batch = Batch::of(node, question).map_err(Unmade::Wrong)?;
        purger.may(node, batch.wanted(), batch.reach()).map_err(Unmade::Refused)?;
        batch.make(node, purger.name()).await.map_err(Unmade::Wrong)
    };
    match once(node, key, &new, made).await {
        Once::Said(said) => Ok(Answer::Purged(said)),
        Once::Failed(Unmade::Refused(refusal)) => Ok(refused(node, refusal)),
        Once::Failed(Unmade::Wrong(why)) => wrong(StatusCode::UNPROCESSABLE_ENTITY, why),
        Once::Running => wrong(StatusCode::CONFLICT, repeats::RUNNING.to_owned()),
        Once::Other => wrong(StatusCode::UNPROCESSABLE_ENTITY, repeats::OTHER.to_owned()),
    }
}

/// The whole body of a request, which rules may have read already.
async fn whole(session: &mut Session, context: &Context) -> pingora::Result<Result<Bytes, Answer>> {
    let form = match &context.form {
        Form::Read(body) => return Ok(Ok(body.clone())),
        _ => form::read(session, context.plan.config.listen.bounds.read_timeout).await?,
    };
    match form {
        Some(Form::Read(body)) => Ok(Ok(body)),
        Some(_) => Ok(Err(Answer::BodyTooLarge { max: FORM_MAX as u64 })),
        None => {
            session.set_keepalive(None);
            Ok(Err(Answer::RequestTimeout))
        }
    }
}
