use proptest::prelude::*;
use seccompiler::TargetArch;

use super::super::linear;
use super::super::table::{Table, shipped};
use super::*;
use crate::template::Profile;

/// Runs a program as the kernel would, on what it would see of a call.
fn run(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = vec![number, architecture, 0, 0];
    for argument in arguments {
        data.extend([argument & 0xffff_ffff, argument >> 32].map(|half| u32::try_from(half).unwrap()));
    }
    let (mut at, mut a) = (0, 0);
    loop {
        let step = &program[at];
        let either = |condition| usize::from(if condition { step.jt } else { step.jf });
        at += 1 + match step.code {
            0x20 => {
                a = data[step.k as usize / 4];
                0
            }
            0x54 => {
                a &= step.k;
                0
            }
            0x05 => step.k as usize,
            0x15 => either(a == step.k),
            0x25 => either(a > step.k),
            0x35 => either(a >= step.k),
            0x06 => return step.k,
            other => panic!("instruction {other:#x}"),
        };
    }
}

/// The first of several programs that does not let a call pass.
fn strictest(programs: &[BpfProgram], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut answers = programs.iter().map(|program| run(program, architecture, number, arguments));
    answers.find(|&answer| answer != PASS).unwrap_or(PASS)
}

fn both(profile: Profile, arch: &str) -> (Vec<BpfProgram>, BpfProgram) {
    let table = Table::read(shipped(profile)).unwrap();
    let programs = linear(&table, arch, TargetArch::try_from(arch).unwrap()).unwrap();
    let searched = search(&programs).unwrap();
    (programs, searched)
}

fn standard(arch: &str) -> (Vec<BpfProgram>, BpfProgram) {
    both(Profile::Standard, arch)
}

const X86_64: u32 = 0xc000_003e;
const AARCH64: u32 = 0xc000_00b7;
const I386: u32 = 0x4000_0003;

/// Values at and around everything that the shipped table compares with.
const TELLING: [u64; 20] = [
    0,
    1,
    2,
    3,
    6,
    15,
    0x40,
    0x80,
    0x200,
    0x801,
    0x5411,
    0x5412,
    0x541c,
    0x0200_0000,
    0x2000_0000,
    0x5356_4d41,
    0x7e02_0080,
    0xffff_ffff,
    0x1_0000_0000,
    u64::MAX,
];

#[test]
fn every_number_is_answered_as_by_the_list() {
    let places =
        Profile::ALL.iter().flat_map(|profile| [(profile, "x86_64", X86_64), (profile, "aarch64", AARCH64)]);
    for (profile, arch, architecture) in places {
        let (list, searched) = both(*profile, arch);
        let numbers = (0..2048).chain([0x4000_0000, 0x4000_0001, 0x4000_0209, u32::MAX - 1, u32::MAX]);
        for number in numbers {
            for value in TELLING {
                for other in [0, value] {
                    let arguments = [value, other, other, value, other, value];
                    let expected = strictest(&list, architecture, number, arguments);
                    let found = run(&searched, architecture, number, arguments);
                    assert_eq!(found, expected, "{profile:?} {arch}: call {number} with {arguments:x?}");
                }
            }
        }
    }
}

#[test]
fn calls_of_another_architecture_end_the_process() {
    let (_, searched) = standard("x86_64");
    for number in 0..512 {
        assert_eq!(run(&searched, I386, number, [0; 6]), 0x8000_0000, "{number}");
    }
}

#[test]
fn a_number_is_found_in_few_steps() {
    let (list, searched) = standard("x86_64");
    let length: usize = list.iter().map(Vec::len).sum();
    assert!(searched.len() * 3 < length, "{} of {length} instructions", searched.len());
}

#[test]
fn a_branch_further_than_a_condition_can_go_is_reached() {
    // Blocks of 100 instructions, so that a half is longer than 255.
    let long = |answer| {
        let mut code = vec![instruction(LOAD, 16); 99];
        code.push(instruction(ANSWER, answer));
        code
    };
    let ranges: Vec<_> = (0..10).map(|n| (n * 10, long(n))).collect();
    let mut program = vec![instruction(LOAD, NUMBER)];
    program.extend(halved(&ranges));
    for number in 0..200 {
        assert_eq!(run(&program, 0, number, [0; 6]), (number / 10).min(9), "{number}");
    }
}

#[test]
fn what_is_not_of_the_expected_form_is_refused() {
    let (list, _) = standard("x86_64");
    assert!(search(&[]).is_err());
    assert!(search(&[vec![instruction(ANSWER, PASS)]]).is_err());
    let mut headless = list.clone();
    headless[1].remove(0);
    assert!(search(&headless).is_err(), "without the architecture's check");
    let mut odd = list.clone();
    odd[0].insert(4, instruction(0x07, 0));
    assert!(search(&odd).is_err(), "an unknown instruction");
    let mut cut = list.clone();
    cut[0].pop();
    assert!(search(&cut).is_err(), "without an end");
    let both = [list[3].clone(), list[0].clone(), list[3].clone()];
    assert!(matches!(search(&both), Err(DispatchError::Twice(_))));
}

proptest! {
    #[test]
    fn any_call_is_answered_as_by_the_list(
        number in prop_oneof![0..512_u32, any::<u32>()],
        arguments in prop::array::uniform6(prop_oneof![any::<u64>(), prop::sample::select(&TELLING[..])]),
        architecture in prop_oneof![Just(X86_64), Just(I386), any::<u32>()],
    ) {
        let (list, searched) = standard("x86_64");
        let expected = strictest(&list, architecture, number, arguments);
        prop_assert_eq!(run(&searched, architecture, number, arguments), expected);
    }
}
