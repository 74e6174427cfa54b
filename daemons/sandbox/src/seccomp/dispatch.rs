//! Turns filters that ask for one call number after another into one that searches.
//!
//! The kernel runs a filter once for every number when it is loaded, to remember which calls always pass. That
//! makes the time to load a filter the square of its length if it is a list, and every call of the sandbox loads
//! one. [`search`] takes programs as seccompiler writes them and gives one program with the same answers, in which a
//! number is found by halving. What the programs do with arguments is taken over instruction by instruction.

use std::collections::BTreeSet;

use seccompiler::{BpfProgram, sock_filter};

/// `A = seccomp_data[k]`.
const LOAD: u16 = 0x20;
/// Goes on `k` further.
const JUMP: u16 = 0x05;
/// Goes on `jt` further if `A == k`, else `jf`.
const IF_EQUAL: u16 = 0x15;
/// The same for `A >= k`.
const IF_AT_LEAST: u16 = 0x35;
/// Answers with `k`.
const ANSWER: u16 = 0x06;
/// The class of an instruction, in its code.
const CLASS: u16 = 0x07;

/// Where the number of the call is in what a filter sees.
const NUMBER: u32 = 0;
/// Where the architecture is.
const ARCHITECTURE: u32 = 4;
/// The answer that lets a call pass.
pub(super) const PASS: u32 = 0x7fff_0000;
/// The kernel takes no longer program.
const LONGEST: usize = 4096;

/// Why a program cannot be turned into a search.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// It is not of the form that seccompiler writes.
    #[error("cannot rearrange the filter: instruction {0} is not as expected")]
    Form(usize),
    /// Two programs look at arguments of one call, or one looks and a later one refuses.
    #[error("cannot rearrange the filters: more than one has something to say about call {0}")]
    Twice(u32),
    /// What came out of it is too long for the kernel.
    #[error("cannot rearrange the filter: it would have {0} instructions, and the kernel takes {LONGEST}")]
    Length(usize),
}

/// One program that answers each call as the first of `programs` that does not let it pass.
///
/// # Errors
/// A program does anything but compare the architecture, then the number, then arguments.
pub(super) fn search(programs: &[BpfProgram]) -> Result<BpfProgram, DispatchError> {
    let head = match programs.first().map(Vec::as_slice) {
        Some([load, check, other, number, ..])
            if (load.code, load.k, check.code) == (LOAD, ARCHITECTURE, IF_EQUAL)
                && (check.jt, check.jf, other.code) == (1, 0, ANSWER)
                && (number.code, number.k) == (LOAD, NUMBER) =>
        {
            [load, check, other, number].map(Clone::clone)
        }
        _ => return Err(DispatchError::Form(0)),
    };
    if !programs.iter().all(|program| program.starts_with(&head)) {
        return Err(DispatchError::Form(0));
    }
    // Numbers that no program names are all answered alike, so one of each gap stands for the others.
    let compared = programs.iter().flatten().filter(|step| step.code == IF_EQUAL).map(|step| step.k);
    let starts: BTreeSet<u32> =
        compared.flat_map(|number| [number, number.saturating_add(1)]).chain([0]).collect();
    let mut ranges: Vec<(u32, BpfProgram)> = Vec::new();
    for number in starts {
        let code = joint(programs, head.len(), number)?;
        if ranges.last().is_none_or(|(_, last)| *last != code) {
            ranges.push((number, code));
        }
    }
    let mut whole = head.to_vec();
    whole.extend(halved(&ranges));
    if whole.len() > LONGEST { Err(DispatchError::Length(whole.len())) } else { Ok(whole) }
}

/// What all programs together say to a number.
fn joint(programs: &[BpfProgram], start: usize, number: u32) -> Result<BpfProgram, DispatchError> {
    let pass = vec![instruction(ANSWER, PASS)];
    let answers = programs.iter().map(|program| answer_to(program, start, number));
    let mut opinions = answers.collect::<Result<Vec<_>, _>>()?;
    opinions.retain(|opinion| *opinion != pass);
    match opinions.as_slice() {
        [] => Ok(pass),
        [only] => Ok(only.clone()),
        // It refuses whatever the arguments are, so nothing after it matters.
        [first, ..] if first.len() == 1 => Ok(first.clone()),
        _ => Err(DispatchError::Twice(number)),
    }
}

/// What is left of a program from `start` on when the number is known: an answer, or a look at arguments.
fn answer_to(program: &[sock_filter], start: usize, number: u32) -> Result<BpfProgram, DispatchError> {
    let mut at = start;
    loop {
        let step = program.get(at).ok_or(DispatchError::Form(at))?;
        at += 1 + match (step.code, step.k) {
            (ANSWER, _) => return Ok(vec![step.clone()]),
            (LOAD, NUMBER) => 0,
            (LOAD, _) => return reachable(program, at),
            (JUMP, distance) => distance as usize,
            (IF_EQUAL, k) => usize::from(if k == number { step.jt } else { step.jf }),
            _ => return Err(DispatchError::Form(at)),
        };
    }
}

/// The instructions that can be reached from `start`, moved together.
fn reachable(program: &[sock_filter], start: usize) -> Result<BpfProgram, DispatchError> {
    let mut kept = BTreeSet::new();
    let mut ahead = BTreeSet::from([start]);
    // Jumps only go forward, so the nearest is never seen again.
    while let Some(at) = ahead.pop_first() {
        let step = program.get(at).ok_or(DispatchError::Form(at))?;
        kept.insert(at);
        ahead.extend(targets(at, step));
    }
    let distance = |from: usize, to: usize| kept.range(from + 1..to).count();
    let moved = kept.iter().filter_map(|&at| program.get(at).map(|step| (at, step)));
    let moved = moved.map(|(at, step)| {
        let mut step = step.clone();
        if let [to, other] = targets(at, &step).as_slice() {
            // No distance grows, so each still fits.
            step.jt = u8::try_from(distance(at, *to)).unwrap_or(u8::MAX);
            step.jf = u8::try_from(distance(at, *other)).unwrap_or(u8::MAX);
        } else if let (JUMP, [to]) = (step.code, targets(at, &step).as_slice()) {
            step.k = u32::try_from(distance(at, *to)).unwrap_or(u32::MAX);
        }
        step
    });
    Ok(moved.collect())
}

/// Where an instruction can go on.
fn targets(at: usize, step: &sock_filter) -> Vec<usize> {
    match step.code {
        ANSWER => vec![],
        JUMP => vec![at + 1 + step.k as usize],
        code if code & CLASS == JUMP => vec![at + 1 + usize::from(step.jt), at + 1 + usize::from(step.jf)],
        _ => vec![at + 1],
    }
}

/// A tree over ranges of numbers, each from its first number on; the number is in `A`.
fn halved(ranges: &[(u32, BpfProgram)]) -> BpfProgram {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let [(first, code), others @ ..] = high else { return Vec::new() };
    if low.is_empty() && others.is_empty() {
        return code.clone();
    }
    let (low, high) = (halved(low), halved(high));
    let mut tree = match u8::try_from(low.len()) {
        Ok(length) => vec![sock_filter { code: IF_AT_LEAST, jt: length, jf: 0, k: *first }],
        // A condition cannot go as far as that; a plain jump can.
        Err(_) => vec![
            sock_filter { code: IF_AT_LEAST, jt: 0, jf: 1, k: *first },
            instruction(JUMP, u32::try_from(low.len()).unwrap_or(u32::MAX)),
        ],
    };
    tree.extend(low);
    tree.extend(high);
    tree
}

fn instruction(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
