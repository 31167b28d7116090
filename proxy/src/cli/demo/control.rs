//! The demo's own socket: `demo cut`, `demo heal` and `demo kill POP`, told to a demo that is running.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use super::stage::Stage;
use crate::admin::report::Failure as Said;
use crate::cli::render::{Failure, Render};
use crate::cli::socket::ask;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Cut the far POP off.
    Cut(Running),
    /// Join the far POP again.
    Heal(Running),
    /// Kill a POP with -9 and start it again.
    Kill {
        /// fra, ams or nyc.
        pop: String,
        #[command(flatten)]
        running: Running,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Running {
    /// The running demo's socket, as it printed it.
    #[arg(long, value_name = "PATH")]
    at: PathBuf,
}

/// Tells a running demo.
pub(super) fn tell(command: &Command) -> Result<Render, Failure> {
    let (at, path) = match command {
        Command::Cut(running) => (&running.at, "/cut".to_owned()),
        Command::Heal(running) => (&running.at, "/heal".to_owned()),
        Command::Kill { pop, running } => (&running.at, format!("/kill/{pop}")),
    };
    let done: Value = ask(crate::admin::send(at, hyper::Method::POST, &path, &json!({})))?;
    Ok(Render::new(done["done"].as_str().unwrap_or("done").to_owned(), &done))
}

/// Listens until it is asked to stop; then takes the stage down.
pub(super) async fn serve(socket: &Path, stage: Stage) -> io::Result<Value> {
    let listener = UnixListener::bind(socket)?;
    let stage = Arc::new(Mutex::new(stage));
    let routes = Router::new()
        .route("/cut", post(cut))
        .route("/heal", post(heal))
        .route("/kill/{pop}", post(kill))
        .with_state(stage);
    tokio::select! {
        served = axum::serve(listener, routes) => served?,
        stopped = asked_to_stop() => stopped?,
    }
    Ok(json!({ "stopped": true }))
}

/// Ctrl-C, a request to end, or the terminal gone: the processes of the demo go with it in any case.
async fn asked_to_stop() -> io::Result<()> {
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

async fn cut(State(stage): State<Arc<Mutex<Stage>>>) -> Response {
    stage.lock().await.relay.cut();
    done("nyc is cut off; the others notice within about two seconds")
}

async fn heal(State(stage): State<Arc<Mutex<Stage>>>) -> Response {
    stage.lock().await.relay.heal();
    done("nyc is joined again")
}

async fn kill(State(stage): State<Arc<Mutex<Stage>>>, Segment(name): Segment<String>) -> Response {
    let mut stage = stage.lock().await;
    let Some(pop) = stage.pops.iter_mut().find(|pop| pop.name == name) else {
        return refused(format!("there is no POP {name:?}; there are fra, ams and nyc"));
    };
    let killed = pop.kill().await;
    if let Err(error) = killed.and_then(|()| pop.start()) {
        return refused(error);
    }
    match stage.until_all_heard().await {
        Ok(()) => done("killed, started again, and heard by all"),
        Err(error) => refused(error),
    }
}

fn done(what: &str) -> Response {
    Json(json!({ "done": what })).into_response()
}

fn refused(error: String) -> Response {
    (StatusCode::CONFLICT, Json(Said { error, problems: None })).into_response()
}
