//! The query of a question, read; what is wrong with it is told like everything else that is.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::server::failure;

/// A question's query.
pub(super) struct Asking<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asking<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(question)) => Ok(Asking(question)),
            Err(rejection) => Err(failure(StatusCode::BAD_REQUEST, rejection.body_text())),
        }
    }
}
