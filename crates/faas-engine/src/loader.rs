//! The only modules that can be loaded: those of the pinned Pyodide, and only while a zygote boots.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use deno_core::ModuleLoadOptions;
use deno_core::ModuleLoadReferrer;
use deno_core::ModuleLoadResponse;
use deno_core::ModuleLoader;
use deno_core::ModuleResolveResponse;
use deno_core::ModuleSource;
use deno_core::ModuleSourceCode;
use deno_core::ModuleSpecifier;
use deno_core::ModuleType;
use deno_core::ResolutionKind;
use deno_core::resolve_import;
use deno_error::JsErrorBox;

/// Scheme of the boot modules, so that no path of the host shows in a stack trace.
pub const PYODIDE_SCHEME: &str = "pyodide";

/// Serves `pyodide:///NAME` from the distribution's directory until [`BootLoader::close`].
pub struct BootLoader {
    directory: PathBuf,
    open: Cell<bool>,
}

impl BootLoader {
    pub fn new(directory: PathBuf) -> Rc<Self> {
        Rc::new(Self {
            directory,
            open: Cell::new(true),
        })
    }

    /// From now on every import fails.
    pub fn close(&self) {
        self.open.set(false);
    }

    fn read(&self, specifier: &ModuleSpecifier) -> Result<ModuleSource, JsErrorBox> {
        let name = specifier.path().trim_start_matches('/');
        if specifier.scheme() != PYODIDE_SCHEME || name.contains('/') {
            return Err(no_modules(specifier.as_str()));
        }
        let source = std::fs::read_to_string(self.directory.join(name))
            .map_err(|error| JsErrorBox::generic(format!("cannot read {name}: {error}")))?;
        Ok(ModuleSource::new(
            ModuleType::JavaScript,
            ModuleSourceCode::String(source.into()),
            specifier,
            None,
        ))
    }
}

/// The error for an import by a program.
pub fn no_modules(specifier: &str) -> JsErrorBox {
    JsErrorBox::type_error(format!(
        "Cannot import \"{specifier}\": the sandbox has no module loader; put everything into the code that is sent"
    ))
}

impl ModuleLoader for BootLoader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _kind: ResolutionKind,
    ) -> ModuleResolveResponse {
        if !self.open.get() {
            return Err(no_modules(specifier));
        }
        resolve_import(specifier, referrer).map_err(JsErrorBox::from_err)
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        _options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        ModuleLoadResponse::Sync(if self.open.get() {
            self.read(specifier)
        } else {
            Err(no_modules(specifier.as_str()))
        })
    }
}
