//! Programs that a zygote runs before its first fork, so that every fork inherits compiled code and
//! imported modules; and, more often, to make the code cache.

use faas_engine::Engine;
use faas_engine::EngineError;
use faas_engine::EngineSpec;

use crate::sandbox;

/// Runs the warm-up programs of a runtime so many times.
///
/// # Errors
/// When the runtime fails.
pub fn warm_up(
    engine: &mut dyn Engine,
    spec: &EngineSpec,
    rounds: usize,
) -> Result<(), EngineError> {
    for _ in 0..rounds {
        for &program in spec.warm_up {
            sandbox::rehearse(engine, program)?;
        }
    }
    Ok(())
}
