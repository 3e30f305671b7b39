//! Programs that a zygote runs before its first fork, so that every fork inherits compiled code and
//! imported modules; and, more often, to make the code cache.

use super::Runtime;
use crate::engine::Engine;
use crate::engine::EngineError;
use crate::protocol::Language;
use crate::sandbox;

type Program = (Language, &'static str);

/// The paths that most programs take.
const PYTHON: &[Program] = &[
    (Language::Python, include_str!("../../js/python/preload.py")),
    (Language::Python, include_str!("../../js/python/warmup.py")),
    (Language::Python, include_str!("../../js/python/hot.py")),
    (Language::Python, include_str!("../../js/python/typical.py")),
    (Language::Python, "print(1)\n1"),
    (Language::Python, "1/0"),
];
const JAVASCRIPT: &[Program] = &[
    (
        Language::JavaScript,
        include_str!("../../js/javascript/warmup.js"),
    ),
    (
        Language::TypeScript,
        include_str!("../../js/javascript/warmup.ts"),
    ),
    (Language::JavaScript, "console.log('hi')"),
    (Language::JavaScript, "null.x"),
    (Language::TypeScript, "const n: number = 1; (n as any).x.y"),
];

/// How often a zygote runs them. Python's machine code comes out of the code cache, and what is left
/// for V8 and Python to learn they learn at once; for JavaScript V8 has to see what is used much.
pub fn rounds(runtime: Runtime) -> usize {
    match runtime {
        Runtime::Python => 3,
        Runtime::JavaScript => 12,
    }
}

/// Runs the programs of a runtime so many times.
///
/// # Errors
/// When the runtime fails.
pub fn warm_up(
    engine: &mut dyn Engine,
    runtime: Runtime,
    rounds: usize,
) -> Result<(), EngineError> {
    let programs = match runtime {
        Runtime::Python => PYTHON,
        Runtime::JavaScript => JAVASCRIPT,
    };
    for _ in 0..rounds {
        for &(language, code) in programs {
            sandbox::rehearse(engine, language, code)?;
        }
    }
    Ok(())
}
