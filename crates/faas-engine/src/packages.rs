//! What a program can ask about packages.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::OpState;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_error::JsErrorBox;
use faas_protocol::PackageRequest;

use super::host::HostState;
use super::host::PackageReply;

/// Asks the supervisor for the contents of a file; `kind` is one of [`PackageRequest`]'s, in the
/// names of js/python/packages.py.
#[op2]
pub fn op_faas_package(
    state: Rc<RefCell<OpState>>,
    #[string] kind: String,
    #[string] name: String,
    #[string] file: String,
) -> Result<Uint8Array, JsErrorBox> {
    let request = match kind.as_str() {
        "project" => PackageRequest::Project { name: &name },
        "file" => PackageRequest::File {
            project: &name,
            file: &file,
        },
        "distribution" => PackageRequest::DistributionFile { file: &name },
        _ => return Err(JsErrorBox::type_error("unknown kind of package request")),
    };
    match ask(&state, request)? {
        PackageReply::Contents(contents) => Ok(contents.into()),
        _ => Err(other_answer()),
    }
}

/// Asks the supervisor for what was made ahead of a wheel: one of the distribution, or one that this process
/// got. Empty if there is nothing.
#[op2]
pub fn op_faas_unpacked(
    state: Rc<RefCell<OpState>>,
    is_of_distribution: bool,
    #[string] file: String,
) -> Result<Uint8Array, JsErrorBox> {
    let file = file.as_str();
    let request = match is_of_distribution {
        true => PackageRequest::UnpackedDistribution { file },
        false => PackageRequest::UnpackedFile { file },
    };
    match ask(&state, request)? {
        PackageReply::Contents(contents) => Ok(contents.into()),
        PackageReply::NotUnpacked => Ok(Vec::new().into()),
        _ => Err(other_answer()),
    }
}

/// Asks the supervisor whether the local wheels have a project.
#[op2(fast)]
pub fn op_faas_in_wheelhouse(
    state: Rc<RefCell<OpState>>,
    #[string] name: String,
) -> Result<bool, JsErrorBox> {
    match ask(&state, PackageRequest::InWheelhouse { name: &name })? {
        PackageReply::InWheelhouse(there) => Ok(there),
        _ => Err(other_answer()),
    }
}

/// Asks the supervisor which package provides a module.
#[op2]
#[string]
pub fn op_faas_provider(
    state: Rc<RefCell<OpState>>,
    #[string] module: String,
) -> Result<Option<String>, JsErrorBox> {
    match ask(&state, PackageRequest::Provider { module: &module })? {
        PackageReply::Provider(package) => Ok(package),
        _ => Err(other_answer()),
    }
}

/// Tells the supervisor which modules a program imports and does not have, one a line. Returns if the
/// program is to run here; otherwise this process is ended meanwhile.
#[op2(fast)]
pub fn op_faas_imports(
    state: Rc<RefCell<OpState>>,
    #[string] modules: String,
) -> Result<(), JsErrorBox> {
    match ask(&state, PackageRequest::Imports { modules: &modules })? {
        PackageReply::RunHere => Ok(()),
        _ => Err(other_answer()),
    }
}

fn ask(state: &RefCell<OpState>, request: PackageRequest<'_>) -> Result<PackageReply, JsErrorBox> {
    let host = state.borrow().borrow::<HostState>().host.clone();
    host.package(request).map_err(JsErrorBox::generic)
}

fn other_answer() -> JsErrorBox {
    JsErrorBox::generic("the answer of the supervisor does not fit the request")
}
