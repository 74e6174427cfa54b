//! `testudo-matrix`: writes the attacks of `tests/attacks/table` into `docs/threat-model.md`.

use std::process::ExitCode;

use testudo_tests::attacks::{Table, matrix};

fn main() -> ExitCode {
    let path = matrix::document();
    let written = std::fs::read_to_string(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            matrix::placed(&text, &matrix::section(&Table::read()))
                .ok_or_else(|| "it has no place for it".to_owned())
        })
        .and_then(|text| std::fs::write(&path, text).map_err(|error| error.to_string()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testudo-matrix: cannot write {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
