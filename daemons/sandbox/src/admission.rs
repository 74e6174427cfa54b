//! Which calls a sandbox accepts, and what becomes of their wishes under its template.
//!
//! A call that makes no sense, has no place here, or wants a wider profile is refused. Limits above the template's are
//! lowered to them without a word: a caller need not know every template's, and gets no more by asking. A built-in tool
//! that only reads gets the narrowest profile whatever was asked.

use crate::layers::{Layer, Layers};
use crate::protocol::{Builtin, Limits, Profile, Program, Run, Template, valid_id};

/// The call as it is carried out, or why it is not.
pub(crate) fn admit(run: &Run, template: Template, layers: Layers) -> Result<Run, String> {
    let refused = |reason: String| format!("cannot run the call: {reason}");
    sound(run).map_err(refused)?;
    let mut run = run.clone();
    run.profile = run.profile.min(widest(&run.program));
    if layers.has(Layer::Template) {
        placed(&run, template).map_err(refused)?;
        run.limits = run.limits.within(&template.ceiling());
    }
    Ok(run)
}

/// Whether the request means anything at all.
pub(crate) fn sound(run: &Run) -> Result<(), String> {
    if !valid_id(&run.call) {
        return Err("its id is no plain name of 1 to 128 characters".to_owned());
    }
    if let Some((name, least, most)) = run.limits.exceeded() {
        return Err(format!("its limit {name} is not between {least} and {most}"));
    }
    if matches!(&run.program, Program::Exec { argv, .. } if argv.first().is_none_or(String::is_empty)) {
        return Err("it names no program".to_owned());
    }
    let impossible = |(name, value): (&String, &String)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
    };
    if run.env.iter().any(impossible) {
        return Err("its environment holds an impossible name or value".to_owned());
    }
    Ok(())
}

/// Whether it may happen in a sandbox of this kind.
fn placed(run: &Run, template: Template) -> Result<(), String> {
    if matches!(run.program, Program::Shell { .. }) && template != Template::Workshop {
        return Err(format!("the template {template} has no session's shell"));
    }
    if run.container.is_some() {
        return Err("containers are another runner's".to_owned());
    }
    if run.network.is_some() && !template.network() {
        return Err(format!("the template {template} has no network"));
    }
    if run.profile > template.profile() {
        return Err(format!("its profile is wider than that of the template {template}"));
    }
    if run.profile == Profile::Strict && !matches!(run.program, Program::Builtin(_)) {
        return Err("its profile does not let it run a program".to_owned());
    }
    Ok(())
}

/// The profile that a program can make use of.
fn widest(program: &Program) -> Profile {
    match program {
        Program::Builtin(Builtin::Write { .. } | Builtin::Patch { .. }) => Profile::Standard,
        Program::Builtin(_) => Profile::Strict,
        Program::Exec { .. } | Program::Shell { .. } => Profile::StandardNet,
    }
}

/// What a child is prepared for, until its call comes with limits of its own.
pub(crate) fn most(template: Template) -> Limits {
    Limits::default().within(&template.ceiling())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Network;

    fn admit(run: &Run, template: Template) -> Result<Run, String> {
        super::admit(run, template, Layers::all())
    }

    fn exec() -> Run {
        Run::new("a", Program::Exec { argv: vec!["true".into()], cwd: None })
    }

    fn builtin(builtin: Builtin) -> Run {
        Run::new("a", Program::Builtin(builtin))
    }

    #[test]
    fn limits_above_the_template_are_lowered() {
        let greedy = Run { limits: Limits::most(), ..exec() };
        let run = admit(&greedy, Template::CodeExecutor).unwrap();
        assert_eq!(run.limits, Template::CodeExecutor.ceiling().within(&Limits::most()));
        assert_eq!((run.limits.processes, run.limits.wall_ms), (100, 300_000));
        let impossible = Run { limits: Limits { wall_ms: u64::MAX, ..Limits::default() }, ..exec() };
        assert!(admit(&impossible, Template::CodeExecutor).is_err());
    }

    #[test]
    fn a_reading_tool_gets_the_strictest_profile_and_no_program_fits_it() {
        let read = builtin(Builtin::Exists { path: ".".into() });
        for template in Template::ALL {
            assert_eq!(admit(&read, template).unwrap().profile, Profile::Strict, "{template}");
        }
        let strict = Run { profile: Profile::Strict, ..exec() };
        assert!(admit(&strict, Template::Workshop).unwrap_err().contains("run a program"));
    }

    #[test]
    fn each_template_refuses_what_is_wider() {
        let wide = Run { profile: Profile::StandardNet, ..exec() };
        for template in Template::ALL {
            let runs = template.profile() >= Profile::Standard;
            assert_eq!(admit(&exec(), template).is_ok(), runs, "{template}");
            assert_eq!(
                admit(&wide, template).is_ok(),
                template.profile() == Profile::StandardNet,
                "{template}"
            );
            let network = Some(Network { ticket: "t".into(), tunnels: vec![] });
            let fetch = Run { network, ..builtin(Builtin::Fetch { url: "https://a".into(), limit: None }) };
            assert_eq!(admit(&fetch, template).is_ok(), template.network(), "{template}");
            let shell = Run::new("a", Program::Shell { command: "true".into(), cwd: None });
            assert_eq!(admit(&shell, template).is_ok(), template == Template::Workshop, "{template}");
        }
    }

    #[test]
    fn impossible_variables_are_refused() {
        for name in ["", "a=b", "a\0"] {
            let run = Run { env: [(name.to_owned(), String::new())].into(), ..exec() };
            assert!(admit(&run, Template::Workshop).is_err(), "{name:?}");
        }
    }
}
