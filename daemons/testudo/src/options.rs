//! The `a{sv} options` at the end of a method: known keys are taken out, and what is left is refused.

use std::collections::HashMap;

use zbus::wire::OwnedVariant;

use crate::fault::Fault;

/// Options as the bus delivers them.
#[derive(Debug)]
pub struct GivenOptions(HashMap<String, OwnedVariant>);

impl GivenOptions {
    /// Takes what a caller gave.
    pub const fn new(options: HashMap<String, OwnedVariant>) -> Self {
        Self(options)
    }

    /// Takes the string at `key`, if there is one.
    ///
    /// # Errors
    /// [`Fault::InvalidArgument`] when it is of another type.
    pub fn string(&mut self, key: &str) -> Result<Option<String>, Fault> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        String::try_from(value)
            .map(Some)
            .map_err(|_| Fault::InvalidArgument(format!("option `{key}` must be a string")))
    }

    /// Takes the truth value at `key`; false when there is none.
    ///
    /// # Errors
    /// [`Fault::InvalidArgument`] when it is of another type.
    pub fn flag(&mut self, key: &str) -> Result<bool, Fault> {
        let Some(value) = self.0.remove(key) else { return Ok(false) };
        bool::try_from(value)
            .map_err(|_| Fault::InvalidArgument(format!("option `{key}` must be true or false")))
    }

    /// Refuses every key that nobody took.
    ///
    /// # Errors
    /// [`Fault::InvalidArgument`] with the first of them.
    pub fn finish(self) -> Result<(), Fault> {
        match self.0.keys().min() {
            None => Ok(()),
            Some(key) => Err(Fault::InvalidArgument(format!("unknown option `{key}`"))),
        }
    }
}
