//! All permissions, and which roles give or deny them: the role matrix.

use super::view::{EffectWord, ScopeWord};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::Json;
use axum::extract::State;
use sallyport_schema::access::{BUILT_IN, Role, built_in};
use serde::Serialize;
use utoipa::ToSchema;

/// The role matrix.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Permissions {
    /// Every permission that a role can give.
    items: Vec<Word>,
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Permission)]
pub(crate) struct Word {
    /// The word that grants use.
    permission: &'static str,
    /// What it lets its holder do.
    about: &'static str,
    /// It is about things that have an owner: the scopes `own` and `team` can open it. Else `all` alone does.
    owned: bool,
    /// Roles with a grant that names it.
    roles: Vec<Cell>,
}

/// A grant of a role that names the permission.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = RoleGrant)]
pub(crate) struct Cell {
    /// Name of the role.
    role: String,
    /// Opens or closes.
    effect: EffectWord,
    /// Whose things.
    scope: ScopeWord,
}

/// Permissions
#[utoipa::path(get, path = "/api/permissions", tag = "roles", operation_id = "listPermissions",
    responses((status = 200, description = "All permissions with the roles that name them.", body = Permissions)))]
pub(crate) async fn get(State(state): State<AdminState>) -> Result<Json<Permissions>, Problem> {
    let custom = state.store().custom_roles().await?;
    let roles: Vec<Role> =
        BUILT_IN.iter().filter_map(|n| built_in(n)).chain(custom.into_iter().map(|r| r.role)).collect();
    let words = Permission::ALL.iter().copied().filter(|p| !p.is_free());
    Ok(Json(Permissions { items: words.map(|p| word(p, &roles)).collect() }))
}

fn word(permission: Permission, roles: &[Role]) -> Word {
    let mut cells: Vec<Cell> = Vec::new();
    for role in roles {
        for grant in role.grants.iter().filter(|g| g.names(permission)) {
            let cell =
                Cell { role: role.name.clone(), effect: grant.effect.into(), scope: grant.scope.into() };
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
    }
    Word {
        permission: permission.as_str(),
        about: permission.about(),
        owned: permission.is_owned(),
        roles: cells,
    }
}
