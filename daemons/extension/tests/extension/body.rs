//! Components from text: a core module around one body, made into a component as a compiler would do it.
//!
//! The body gets the address of the call in `$call` and leaves the address of an opinion. `$say` writes one: its
//! number (0 pass, 1 allow, 2 ask, 3 deny), and address and length of its reason.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use super::repository;

/// `offset` of a string in the call, for [`echo`].
pub(crate) mod field {
    pub(crate) const TOOL: u32 = 0;
    pub(crate) const SESSION: u32 = 20;
    pub(crate) const REQUESTER: u32 = 28;
    pub(crate) const ARGUMENTS: u32 = 36;
    pub(crate) const ORIGINS: u32 = 44;
    pub(crate) const TAINT: u32 = 52;
    pub(crate) const FINDINGS: u32 = 60;
    pub(crate) const CHANGES: u32 = 68;
}

pub(crate) const PASS: &str = "(call $say (i32.const 0) (i32.const 0) (i32.const 0))";
pub(crate) const ALLOW: &str = "(call $say (i32.const 1) (i32.const 8) (i32.const 4))";
pub(crate) const ASK: &str = "(call $say (i32.const 2) (i32.const 8) (i32.const 4))";
pub(crate) const DENY: &str = "(call $say (i32.const 3) (i32.const 8) (i32.const 4))";
pub(crate) const LOOP: &str = "(loop $on (br $on)) (unreachable)";
pub(crate) const TRAP: &str = "(unreachable)";
pub(crate) const HOG: &str = "(loop $on (drop (memory.grow (i32.const 16))) (br $on)) (unreachable)";
pub(crate) const RECURSE: &str = "(call $evaluate (local.get $call))";
/// Says what it counted to in the memory that it finds: 1, unless something of an earlier call is left there.
pub(crate) const COUNT: &str =
    "(i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
    (call $say (i32.const 3) (i32.const 8) (i32.const 1))";
pub(crate) const NO_SUCH_OPINION: &str = "(call $say (i32.const 9) (i32.const 8) (i32.const 4))";
pub(crate) const NO_SUCH_ADDRESS: &str = "(call $say (i32.const 3) (i32.const -8) (i32.const 4))";
pub(crate) const NO_TEXT: &str = "(i32.store8 (i32.const 9) (i32.const 255))
    (call $say (i32.const 3) (i32.const 8) (i32.const 4))";
pub(crate) const CHATTER: &str = "(memory.fill (i32.const 4096) (i32.const 120) (i32.const 50000))
    (call $say (i32.const 2) (i32.const 4096) (i32.const 50000))";

/// Asks with the string at an offset of the call as its reason.
pub(crate) fn echo(offset: u32) -> String {
    format!(
        "(call $say (i32.const 2) (i32.load offset={offset} (local.get $call))
            (i32.load offset={} (local.get $call)))",
        offset + 4
    )
}

/// Asks with the string at an offset of the first item of the list at another one.
pub(crate) fn echo_item(list: u32, offset: u32) -> String {
    format!(
        "(call $say (i32.const 2) (i32.load offset={offset} (i32.load offset={list} (local.get $call)))
            (i32.load offset={} (i32.load offset={list} (local.get $call))))",
        offset + 4
    )
}

/// Asks with letters instead of numbers: 'A' and the byte at the address.
pub(crate) fn letter(address: &str) -> String {
    format!(
        "(i32.store8 (i32.const 8) (i32.add (i32.const 65) (i32.load8_u {address})))
         (call $say (i32.const 2) (i32.const 8) (i32.const 1))"
    )
}

/// The core module of a body, with more definitions beside it.
pub(crate) fn core(body: &str, more: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (memory (export "memory") 2)
            (data (i32.const 8) "why.")
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
                (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get $size)))
                (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
                    (then (drop (memory.grow (i32.const 32))))))
            (func $say (param $opinion i32) (param $reason i32) (param $length i32) (result i32)
                (i32.store8 (i32.const 32) (local.get $opinion))
                (i32.store (i32.const 36) (local.get $reason))
                (i32.store (i32.const 40) (local.get $length))
                (i32.const 32))
            (func $evaluate (export "testudo:extension/rules@1.0.0#evaluate") (param $call i32) (result i32)
                {body})
            {more})"#
    ))
    .unwrap()
}

/// The component of a body.
pub(crate) fn component(body: &str) -> Vec<u8> {
    component_of(core(body, ""))
}

/// The component of a core module.
pub(crate) fn component_of(mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_file(repository().join("policies/extension.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("extension")).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    encode(&module)
}

/// A module that carries its interface, as compilers leave it, as a component.
pub(crate) fn encode(module: &[u8]) -> Vec<u8> {
    ComponentEncoder::default().validate(true).module(module).unwrap().encode().unwrap()
}
