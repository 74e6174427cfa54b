//! Loading: from the files of the configuration to components that are ready to be asked.
//!
//! All that can be refused is refused here, at the start and by name: a file that is no component, one that wants
//! anything of the machine, one that does not export the rules. Evaluations then only instantiate.

use std::path::{Path, PathBuf};

use testudo::extension::{Component, ReadError};
use thiserror::Error;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, StoreLimits};

use crate::pulse::Pulse;
use crate::world::{ExtensionPre, RULES};

/// Most bytes of stack of one evaluation.
const STACK: usize = 512 * 1024;

/// Why extension rules cannot be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// There can be no engine.
    #[error("cannot make the engine of the extensions: {0:#}")]
    Engine(wasmtime::Error),
    /// There can be no clock.
    #[error("cannot start the clock of the extensions: {0}")]
    Clock(#[source] std::io::Error),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not a component.
    #[error("cannot load the extension {}: it is no WebAssembly component ({cause:#})", path.display())]
    Component {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: wasmtime::Error,
    },
    /// It wants something.
    #[error("cannot load the extension {}: it imports {imports}, and an extension gets no imports", path.display())]
    Imports {
        /// Which file.
        path: PathBuf,
        /// Their names.
        imports: String,
    },
    /// It does not give what is asked of it.
    #[error("cannot load the extension {}: it does not export {RULES} as policies/extension.wit has it ({cause:#})", path.display())]
    Exports {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        cause: wasmtime::Error,
    },
}

/// The components of the configuration, loaded.
pub struct Components {
    pub(crate) all: Vec<Loaded>,
    pub(crate) engine: Engine,
    pub(crate) pulse: Pulse,
}

/// One component, ready to be instantiated.
pub(crate) struct Loaded {
    pub(crate) component: Component,
    pub(crate) pre: ExtensionPre<StoreLimits>,
}

impl Components {
    /// Loads all of them, in this order.
    ///
    /// # Errors
    /// The first that cannot be loaded.
    pub fn load(paths: &[PathBuf]) -> Result<Self, LoadError> {
        let engine = engine().map_err(LoadError::Engine)?;
        let all = paths.iter().map(|path| Loaded::load(&engine, path)).collect::<Result<Vec<_>, _>>()?;
        let pulse = Pulse::new(engine.clone()).map_err(LoadError::Clock)?;
        let components = Self { all, engine, pulse };
        for (loaded, path) in components.all.iter().zip(paths) {
            let failed = |cause| LoadError::Exports { path: path.clone(), cause };
            components.attempt(loaded).map_err(failed)?;
        }
        Ok(components)
    }

    /// What is loaded.
    pub fn list(&self) -> Vec<Component> {
        self.all.iter().map(|loaded| loaded.component.clone()).collect()
    }
}

impl Loaded {
    fn load(engine: &Engine, path: &Path) -> Result<Self, LoadError> {
        let (component, bytes) = Component::read(path)?;
        let path = || path.to_path_buf();
        let compiled = wasmtime::component::Component::from_binary(engine, &bytes)
            .map_err(|cause| LoadError::Component { path: path(), cause })?;
        let kind = compiled.component_type();
        let imports: Vec<&str> = kind.imports(engine).map(|(name, _)| name).collect();
        if !imports.is_empty() {
            return Err(LoadError::Imports { path: path(), imports: imports.join(", ") });
        }
        let pre = Linker::new(engine).instantiate_pre(&compiled).and_then(ExtensionPre::new);
        Ok(Self { component, pre: pre.map_err(|cause| LoadError::Exports { path: path(), cause })? })
    }
}

/// The engine: an interpreter, bounded in every respect, with the same result on every machine.
fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    // Bytecode for the interpreter. Machine code would need memory that is written and then executed, which the
    // unit denies to this process.
    config.target("pulley64")?;
    config.consume_fuel(true).epoch_interruption(true).max_wasm_stack(STACK);
    // Bounds are checked in the code: no signal handlers, and no gigabytes of address space as guards.
    config.signals_based_traps(false).memory_reservation(0).memory_guard_size(0);
    config.memory_reservation_for_growth(0).memory_init_cow(false);
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    Engine::new(&config)
}
