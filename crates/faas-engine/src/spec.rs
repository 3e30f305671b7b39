//! What a zygote has to know about each engine: one entry for each runtime (faas-protocol's
//! `RUNTIMES`).

use faas_linux::MOST_STACK;
use faas_protocol::Language;
use faas_protocol::RUNTIMES;
use faas_protocol::Runtime;

use crate::BootOptions;
use crate::Engine;
use crate::EngineError;
use crate::JavaScriptEngine;
use crate::PythonEngine;

/// A program that is part of this service.
pub type OwnProgram = (Language, &'static str);

/// How a zygote boots an engine and makes it ready for forking.
#[derive(Debug)]
pub struct EngineSpec {
    pub runtime: Runtime,
    pub boot: fn(&BootOptions) -> Result<Box<dyn Engine>, EngineError>,
    /// How far the stack may grow, in bytes. What recurses outside of V8, as the TypeScript compiler does, is
    /// bounded by it alone, and takes that much memory before it fails.
    pub stack: u64,
    /// Every program writes the memory pages that this one writes. A sandbox does so before it
    /// takes a job, so that the job does not wait for it.
    pub smallest_program: OwnProgram,
    /// Whether sandboxes write those pages directly, rather than run the smallest program. This
    /// saves a sixth of the CPU time of an execution in Python. In JavaScript it saves next to
    /// nothing, and loses the other effects of a rehearsal (docs/performance.md).
    pub writes_footprint: bool,
    /// Programs that use what most programs use.
    pub warm_up: &'static [OwnProgram],
    /// How often a zygote runs them. Python's machine code comes from the code cache, and one round
    /// is enough for the rest. For JavaScript, V8 has to see which code is used often.
    pub rounds: usize,
}

/// In the order of [`Runtime`].
const ENGINES: [EngineSpec; RUNTIMES.len()] = [
    EngineSpec {
        runtime: Runtime::Python,
        boot: |options| Ok(Box::new(PythonEngine::boot(options)?)),
        stack: MOST_STACK,
        smallest_program: (Language::Python, "print(1)\n1"),
        writes_footprint: true,
        warm_up: &[
            (
                Language::Python,
                include_str!("../../../js/python/preload.py"),
            ),
            (
                Language::Python,
                include_str!("../../../js/python/warmup.py"),
            ),
            (Language::Python, include_str!("../../../js/python/hot.py")),
            (
                Language::Python,
                include_str!("../../../js/python/typical.py"),
            ),
            (Language::Python, "print(1)\n1"),
            (Language::Python, "1/0"),
        ],
        rounds: 3,
    },
    EngineSpec {
        runtime: Runtime::JavaScript,
        boot: |options| Ok(Box::new(JavaScriptEngine::boot(options)?)),
        stack: 64 << 20,
        smallest_program: (Language::JavaScript, "console.log(1); return 1"),
        writes_footprint: false,
        warm_up: &[
            (
                Language::JavaScript,
                include_str!("../../../js/javascript/warmup.js"),
            ),
            (
                Language::TypeScript,
                include_str!("../../../js/javascript/warmup.ts"),
            ),
            (Language::JavaScript, "console.log('hi')"),
            (Language::JavaScript, "null.x"),
            (Language::TypeScript, "const n: number = 1; (n as any).x.y"),
        ],
        rounds: 12,
    },
];

/// The engine of a runtime.
pub const fn spec(runtime: Runtime) -> &'static EngineSpec {
    const TABLE: &[EngineSpec; RUNTIMES.len()] = &ENGINES;
    const {
        let mut index = 0;
        while index < ENGINES.len() {
            assert!(
                ENGINES[index].runtime as usize == index,
                "the order of Runtime"
            );
            index += 1;
        }
    }
    &TABLE[runtime as usize]
}
