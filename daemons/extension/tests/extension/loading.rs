//! What is refused before anything runs.

use testudo_extension::component::Components;

use super::body;

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("it.wasm");
    std::fs::write(&path, bytes).unwrap();
    let Err(error) = Components::load(std::slice::from_ref(&path)) else { panic!("it was loaded") };
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    text.replace(&path.display().to_string(), "IT")
}

#[test]
fn what_is_no_component_is_refused() {
    for bytes in [&b""[..], b"hello", b"(component)", &[0xff; 100], &body::core(body::PASS, "")] {
        let text = refusal(bytes);
        assert!(
            text.starts_with("cannot load the extension IT: it is no WebAssembly component ("),
            "{bytes:?}: {text}"
        );
    }
    let whole = body::component(body::PASS);
    for length in (0..whole.len()).step_by(61) {
        let text = refusal(&whole[..length]);
        assert!(text.starts_with("cannot load the extension IT: it "), "{length}: {text}");
    }
}

#[test]
fn any_import_is_refused_by_name() {
    let wasi = r#"(component
        (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))
        (import "log" (func (param "text" string))))"#;
    assert_eq!(
        refusal(wat::parse_str(wasi).unwrap()),
        "cannot load the extension IT: it imports wasi:clocks/wall-clock@0.2.0, log, and an extension gets no imports"
    );
}

#[test]
fn without_the_rules_it_is_no_extension() {
    let nothing = refusal(wat::parse_str("(component)").unwrap());
    assert!(
        nothing.starts_with(
            "cannot load the extension IT: it does not export testudo:extension/rules@1.0.0 as \
             policies/extension.wit has it ("
        ),
        "{nothing}"
    );
    let other = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $rules (export "evaluate" (func $f)))
        (export "testudo:extension/rules@1.0.0" (instance $rules)))"#;
    assert!(refusal(wat::parse_str(other).unwrap()).contains("does not export"));
}

#[test]
fn one_that_cannot_even_begin_is_refused() {
    for (start, why) in [(body::TRAP, "unreachable"), (body::LOOP, "")] {
        let module = body::core(body::PASS, &format!("(func $begin {start}) (start $begin)"));
        let text = refusal(body::component_of(module));
        assert!(text.contains("as policies/extension.wit has it (") && text.contains(why), "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_or_too_large_is_refused() {
    let missing = Components::load(&["/nowhere/x.wasm".into()]).err().unwrap().to_string();
    assert_eq!(missing, "cannot read the extension /nowhere/x.wasm: No such file or directory (os error 2)");
    let text = refusal(vec![0; 16 * 1024 * 1024 + 1]);
    assert_eq!(text, "cannot take the extension IT: it has 16777217 bytes, and the limit is 16777216");
}
