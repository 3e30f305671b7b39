//! V8's machine code for Pyodide's WebAssembly, kept in a file between boots.
//!
//! V8 compiles a WebAssembly function twice: quickly when it is first called, and with optimisation
//! once it was used often. `faas-server compile` runs programs until the functions that programs
//! use are optimised, and writes the result to a file; a zygote that finds the file starts with it.
//!
//! V8 trusts the machine code in the file. So the file belongs next to Pyodide, where only users
//! who could replace Pyodide itself may write, or into the server's own workspace; digests guard it
//! against accidents. Its name says which V8, with which flags, on which kind of CPU it is for, so that
//! machines of several kinds can share a directory. By its own header, V8 refuses any other.

use std::cell::Cell;
use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::SystemTime;

use deno_core::JsRuntime;
use deno_core::v8;
use sha2::Digest;
use sha2::Sha256;

use super::platform;

/// The directory in that of Pyodide where the files are.
pub const DIRECTORY: &str = "compiled";
/// Whether V8's code can be written here; see [`Compiled::to_file`].
pub const CAN_BE_WRITTEN: bool = cfg!(all(
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu"
));
pub const SOURCE: &str = "pyodide.asm.wasm";

/// The file begins with two digests, of the WebAssembly and of V8's data, which follow.
const DIGEST_BYTES: usize = 32;

/// A WebAssembly module, and where its code came from.
pub struct Compiled {
    module: v8::Global<v8::WasmModuleObject>,
    /// What a file with its machine code is called.
    pub file_name: String,
    /// Why no machine code was read from a file; `None` if it was.
    pub no_cache: Option<String>,
}

/// A file with machine code, to be written.
pub struct CodeCacheFile {
    pub name: String,
    pub contents: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum CodeCacheError {
    #[error("{SOURCE}: {0}")]
    Source(std::io::Error),
    #[error("V8 could not compile {SOURCE}")]
    Compile,
    #[error("V8 has no machine code to write")]
    NothingToWrite,
    #[cfg_attr(
        all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"),
        expect(dead_code, reason = "elsewhere")
    )]
    #[error("machine code can only be written on x86_64 Linux with glibc")]
    Unsupported,
}

/// The name of the file for this V8, its flags and this kind of CPU: V8's own tag has all three in it.
fn file_name() -> String {
    let tag = v8::script_compiler::cached_data_version_tag();
    format!("{SOURCE}.{tag:08x}.code")
}

/// Compiles Pyodide, which is in `directory`, with the code from the first of `caches` that has a file that
/// fits.
///
/// V8 knows modules by their bytes: as long as the result lives, compiling the same bytes in the
/// realm, as Pyodide's own start does, returns this same module (`wasm::NativeModuleCache`).
///
/// # Errors
/// When Pyodide's WebAssembly cannot be read or compiled. A missing or incompatible file
/// is not an error.
pub fn compile(
    runtime: &mut JsRuntime,
    directory: &Path,
    caches: &[PathBuf],
) -> Result<Compiled, CodeCacheError> {
    let source = std::fs::read(directory.join(SOURCE)).map_err(CodeCacheError::Source)?;
    let file_name = file_name();
    let (code, mut no_cache) = match read_first(caches, &file_name, &source) {
        Ok(code) => (code, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let offered = !code.is_empty();
    CODE.set(code);
    let module = compile_with_offer(runtime, &source)?;
    if offered && !ACCEPTED.take() {
        no_cache = Some(format!("V8 refused {file_name}"));
    }
    Ok(Compiled {
        module,
        file_name,
        no_cache,
    })
}

thread_local! {
    /// V8's data, for [`offer`], which can take no further arguments.
    static CODE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Whether V8 accepted it.
    static ACCEPTED: Cell<bool> = const { Cell::new(false) };
}

/// Called by V8 when it has all of the WebAssembly.
///
/// # Safety
/// For V8 only, which calls with an object that lives as long as the call.
unsafe extern "C" fn offer(interface: *mut v8::ModuleCachingInterface) {
    // SAFETY: V8 passes an object that it owns and that lives as long as the call.
    let interface = unsafe { &mut *interface };
    let code = CODE.take();
    if !code.is_empty() {
        ACCEPTED.set(interface.set_cached_compiled_module_bytes(&code));
    }
}

fn compile_with_offer(
    runtime: &mut JsRuntime,
    source: &[u8],
) -> Result<v8::Global<v8::WasmModuleObject>, CodeCacheError> {
    let result = Rc::new(RefCell::new(None));
    {
        deno_core::scope!(scope, runtime);
        let mut compilation = v8::WasmModuleCompilation::new();
        compilation.set_has_compiled_module_bytes();
        compilation.on_bytes_received(source);
        let result = result.clone();
        compilation.finish(scope, Some(offer), move |isolate, module| {
            let module = module.map(|module| v8::Global::new(isolate, module));
            result.replace(Some(module.map_err(|_| CodeCacheError::Compile)));
        });
    }
    // Without a file that fits, V8 compiles in tasks.
    while result.borrow().is_none() && platform::pump(runtime.v8_isolate()) {}
    result.take().unwrap_or(Err(CodeCacheError::Compile))
}

/// V8's data from the first of these directories that has a file that fits, or why there is none.
fn read_first(caches: &[PathBuf], file_name: &str, source: &[u8]) -> Result<Vec<u8>, String> {
    let mut reason = "none was made for this V8, these flags and this kind of CPU".to_owned();
    for directory in caches {
        let path = directory.join(file_name);
        if !path.exists() {
            continue;
        }
        match read(&path, source) {
            Ok(code) => {
                note_use(&path);
                return Ok(code);
            }
            Err(unfit) => reason = unfit,
        }
    }
    Err(reason)
}

/// Makes the file as new as its last use, by which `unused_code` goes. Where this user may not, as beside an installed
/// Pyodide, nothing is removed by age.
fn note_use(path: &Path) {
    let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// V8's data from a file, or why it cannot be used.
fn read(path: &Path, source: &[u8]) -> Result<Vec<u8>, String> {
    let mut file = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let damaged = || format!("{} is damaged", path.display());
    let (source_digest, rest) = file.split_at_checked(DIGEST_BYTES).ok_or_else(damaged)?;
    let (code_digest, code) = rest.split_at_checked(DIGEST_BYTES).ok_or_else(damaged)?;
    if *source_digest != *Sha256::digest(source) {
        return Err(format!("{} was made for another Pyodide", path.display()));
    }
    if *code_digest != *Sha256::digest(code) {
        return Err(damaged());
    }
    Ok(file.split_off(2 * DIGEST_BYTES))
}

impl Compiled {
    /// The contents of a file with the machine code compiled so far.
    ///
    /// # Errors
    /// When V8 has none, or cannot be asked on this platform.
    pub fn to_file(
        &self,
        runtime: &mut JsRuntime,
        directory: &Path,
    ) -> Result<Vec<u8>, CodeCacheError> {
        let source = std::fs::read(directory.join(SOURCE)).map_err(CodeCacheError::Source)?;
        let code = self.serialize(runtime)?;
        let digests = [Sha256::digest(&source), Sha256::digest(&code)];
        Ok([digests.concat(), code].concat())
    }

    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
    fn serialize(&self, _runtime: &mut JsRuntime) -> Result<Vec<u8>, CodeCacheError> {
        Err(CodeCacheError::Unsupported)
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    fn serialize(&self, runtime: &mut JsRuntime) -> Result<Vec<u8>, CodeCacheError> {
        deno_core::scope!(scope, runtime);
        let module = v8::Local::new(scope, &self.module);
        // SAFETY: the module is alive. The first call returns a new object, which
        // the second one reads and the third one frees, once.
        let buffer = unsafe {
            let compiled = cxx::v8__WasmModuleObject__GetCompiledModule(&*module);
            let buffer = cxx::serialize(compiled);
            cxx::v8__CompiledWasmModule__DELETE(compiled);
            buffer
        };
        if buffer.data.is_null() {
            return Err(CodeCacheError::NothingToWrite);
        }
        // SAFETY: V8 allocated and filled that many bytes and gave them to us. They are never freed,
        // since only V8's own allocator could, and the process that asks for them ends soon.
        Ok(unsafe { std::slice::from_raw_parts(buffer.data, buffer.size) }.to_vec())
    }
}

/// `v8::CompiledWasmModule::Serialize` (v8-wasm.h), a public function of V8 for which the crate `v8`
/// has no binding.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod cxx {
    use deno_core::v8;

    /// `v8::CompiledWasmModule`.
    #[repr(C)]
    pub struct CompiledWasmModule {
        _opaque: [u8; 0],
    }

    /// `v8::OwnedBuffer`: a `std::unique_ptr<const uint8_t[]>` and a `size_t`.
    ///
    /// It comes back in two registers, as a plain structure does: V8 is built with its own libc++,
    /// whose `unique_ptr` is `trivial_abi` (`_LIBCPP_ABI_ENABLE_UNIQUE_PTR_TRIVIAL_ABI`).
    #[repr(C)]
    pub struct OwnedBuffer {
        pub data: *const u8,
        pub size: usize,
    }

    // SAFETY: names and types are those of the crate's own declarations; the version is pinned.
    unsafe extern "C" {
        // These two belong to the crate, which keeps them private (v8's src/wasm.rs).
        pub fn v8__WasmModuleObject__GetCompiledModule(
            this: *const v8::WasmModuleObject,
        ) -> *mut CompiledWasmModule;
        pub fn v8__CompiledWasmModule__DELETE(this: *mut CompiledWasmModule);

        #[link_name = "_ZN2v818CompiledWasmModule9SerializeEv"]
        pub fn serialize(this: *mut CompiledWasmModule) -> OwnedBuffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"the WebAssembly";
    const CODE: &[u8] = b"its machine code";

    fn good() -> Vec<u8> {
        let digests = [Sha256::digest(WASM), Sha256::digest(CODE)];
        [digests.concat(), CODE.to_vec()].concat()
    }

    fn read_back(contents: &[u8]) -> Result<Vec<u8>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        read(file.path(), WASM)
    }

    #[test]
    fn a_written_code_cache_can_be_read() {
        assert_eq!(read_back(&good()).unwrap(), CODE);
    }

    #[test]
    fn the_first_directory_with_a_file_that_fits_is_used() {
        let caches: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let paths: Vec<_> = caches.iter().map(|cache| cache.path().to_owned()).collect();
        let read = || read_first(&paths, "name", WASM);
        assert!(read().unwrap_err().contains("none was made"));
        std::fs::write(paths[1].join("name"), "x").unwrap();
        assert!(read().unwrap_err().contains("damaged"));
        let good_one = paths[2].join("name");
        std::fs::write(&good_one, good()).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH;
        let file = File::open(&good_one).unwrap();
        file.set_modified(long_ago).unwrap();
        assert_eq!(read().unwrap(), CODE);
        let used = good_one.metadata().unwrap().modified().unwrap();
        assert!(used > long_ago, "its use was not noted");
    }

    #[test]
    fn code_for_another_pyodide_is_left_out() {
        let mut other = good();
        other[0] ^= 1;
        assert!(read_back(&other).unwrap_err().contains("another Pyodide"));
    }

    #[test]
    fn a_damaged_file_never_reaches_v8() {
        for place in DIGEST_BYTES..good().len() {
            let mut damaged = good();
            damaged[place] ^= 1;
            assert!(read_back(&damaged).unwrap_err().contains("damaged"));
        }
        for length in 0..good().len() {
            assert!(
                read_back(&good()[..length])
                    .unwrap_err()
                    .contains("damaged")
            );
        }
        assert!(read_back(&[good(), vec![0]].concat()).is_err());
    }
}
