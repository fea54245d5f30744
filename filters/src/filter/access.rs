//! `access`: may this key use this surface, and this model?
//!
//! The key's allow-list, its team's and the roles of its owner must all say yes; an empty one says no. The pass-through is no API of models:
//! it must be named in the lists, no `*` opens it. A model that does not exist and one
//! that the key may not use get the same answer, so that nobody can find out which there are.

use crate::exchange::{Exchange, Principal, Request};
use crate::filter::{Filter, Step};
use crate::rejection::{ErrorKind, Rejection};
use crate::selector;
use crate::surface::{self, Dialect, Surface};
use sallyport_config::models::Model;
use sallyport_config::rights::{Bounds, Wanted};
use std::sync::Arc;

/// The filter. It has no settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access;

impl Filter for Access {
    fn name(&self) -> &'static str {
        "access"
    }

    fn needs_body(&self) -> bool {
        true
    }

    fn on_request<'a>(&'a self, x: &'a mut Exchange, _: Request<'a>) -> Step<'a> {
        Step::Ready(check(x))
    }
}

fn check(x: &Exchange) -> Result<(), Rejection> {
    if x.surface == Surface::Hello {
        return Ok(());
    }
    let Some(principal) = &x.principal else {
        // The chain's order makes sure that `auth` came first: this is a bug, and it must not open the gate.
        return Err(Rejection::gateway(
            ErrorKind::Internal,
            "internal_error",
            "The request was not authenticated.",
        )
        .detail("access: no principal"));
    };
    surface(x, principal)?;
    if !x.surface.takes_model() {
        return Ok(());
    }
    let Some(model) = x.body.model() else { return Err(no_model(x.dialect)) };
    if !may_use(x, principal, model) {
        return Err(no_such_model(model, x.dialect, "is not allowed to this key"));
    }
    match x.snapshot.models.find(model) {
        None => Err(no_such_model(model, x.dialect, "does not exist")),
        Some(m) if !selector::speaks(m, &x.snapshot, x.surface) => {
            Err(no_such_model(model, x.dialect, "has no provider that speaks this API"))
        }
        // They are the same model.
        Some(_) if x.body.is_named() => Ok(()),
        Some(_) => match x.body.other_models().find(|m| !may_use(x, principal, m)) {
            Some(other) => Err(no_such_model(other, x.dialect, "(named beside the main one) is not allowed")),
            None => Ok(()),
        },
    }
}

/// All must allow the surface.
fn surface(x: &Exchange, principal: &Principal) -> Result<(), Rejection> {
    let name = x.surface.name();
    let (bounds, wanted) = (bounds(x, principal), Wanted::Surface(name));
    if bounds.allow(wanted) {
        return Ok(());
    }
    let message = format!("This API key may not use '{name}'.");
    let why = match (bounds.by_key(wanted), bounds.by_team(wanted)) {
        (false, _) => "is not in the allow-list of the key",
        (_, false) => "is not in the allow-list of the team",
        _ => "is not granted by the owner's roles",
    };
    Err(Rejection::client(ErrorKind::Permission, "surface_not_allowed", message)
        .detail(format!("surface '{name}' {why}")))
}

/// All must allow the model.
fn may_use(x: &Exchange, principal: &Principal, model: &str) -> bool {
    bounds(x, principal).allow(Wanted::Model { surface: x.surface.name(), model })
}

fn bounds<'a>(x: &'a Exchange, principal: &'a Principal) -> Bounds<'a> {
    x.snapshot.bounds(&principal.key, principal.team.as_deref(), principal.owner.as_deref())
}

/// The words of the providers.
fn no_model(dialect: Dialect) -> Rejection {
    let message = match dialect {
        Dialect::Anthropic => "model: Field required",
        Dialect::Gemini => "model: is required in the path: models/NAME",
        Dialect::Cohere => "invalid request: a model parameter is required for this endpoint.",
        Dialect::OpenAi | Dialect::Responses => "Missing required parameter: 'model'.",
    };
    Rejection::client(ErrorKind::InvalidRequest, "missing_required_parameter", message).param("model")
}

/// The same answer for a model that does not exist and for one that the key may not use, in the providers' words.
/// `why` is for the log.
pub(crate) fn no_such_model(model: &str, dialect: Dialect, why: &str) -> Rejection {
    // The client's own text comes back to it, short and printable.
    let shown: String = model.chars().filter(|c| !c.is_control()).take(100).collect();
    let message = match dialect {
        Dialect::Anthropic => format!("model: {shown}"),
        Dialect::Gemini => format!(
            "{} is not found, or you do not have access to it. Call ListModels to see the available models and \
             their supported methods.",
            surface::resource(&shown)
        ),
        Dialect::Cohere => format!(
            "model '{shown}' not found, make sure the correct model ID was used and that you have access to the model."
        ),
        Dialect::OpenAi | Dialect::Responses => {
            format!("The model `{shown}` does not exist or you do not have access to it.")
        }
    };
    let mut r = Rejection::client(ErrorKind::NotFound, "model_not_found", message);
    r.detail = Some(format!("model '{shown}' {why}"));
    // The Responses API names the field, Chat does not.
    if dialect == Dialect::Responses {
        r.param = Some("model".into());
    }
    r
}

/// Models for `GET /v1/models`: with an exact name, or of those that the price table knows and a prefix serves; allowed
/// to the caller, and served by a provider that speaks the client's dialect. Sorted by name.
pub fn visible_models(x: &Exchange) -> Vec<Arc<Model>> {
    let Some(principal) = &x.principal else { return Vec::new() };
    let mut all = x.snapshot.models.listed(x.snapshot.prices.names());
    all.retain(|m| may_use(x, principal, &m.name) && selector::speaks_dialect(m, &x.snapshot, x.dialect));
    all
}

/// Would [`visible_models`] show `id`, or does a glob or a prefix serve it?
pub fn is_visible(x: &Exchange, id: &str) -> bool {
    x.principal.as_ref().is_some_and(|p| may_use(x, p, id))
        && x.snapshot.models.find(id).is_some_and(|m| selector::speaks_dialect(m, &x.snapshot, x.dialect))
}

#[cfg(test)]
mod tests;
