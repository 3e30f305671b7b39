//! The only modules that can be loaded: those of the pinned Pyodide and our own, and only while a zygote boots.

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

/// Scheme of Pyodide's modules, so that no path of the host shows in a stack trace.
pub const PYODIDE_SCHEME: &str = "pyodide";
/// Scheme of our own.
const BOOT_SCHEME: &str = "boot";
/// Our own, parts of `js/python/boot.mjs`.
const BOOT_MODULES: [(&str, &str); 3] = [
    (
        "output_files.mjs",
        include_str!("../../../js/python/output_files.mjs"),
    ),
    (
        "storage.mjs",
        include_str!("../../../js/python/storage.mjs"),
    ),
    ("wheels.mjs", include_str!("../../../js/python/wheels.mjs")),
];

/// Serves `boot:///NAME` and, from the distribution's directory, `pyodide:///NAME` until
/// [`BootLoader::close`].
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
        let own = BOOT_MODULES.iter().find(|(own, _)| *own == name);
        let source = match (specifier.scheme(), own) {
            (BOOT_SCHEME, Some((_, source))) => (*source).to_owned(),
            (PYODIDE_SCHEME, _) if !name.contains('/') => {
                std::fs::read_to_string(self.directory.join(name))
                    .map_err(|error| JsErrorBox::generic(format!("cannot read {name}: {error}")))?
            }
            _ => return Err(no_modules(specifier.as_str())),
        };
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
