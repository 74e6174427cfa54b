//! The man page and the shell completions, made from the same source as `--help`.

use clap::{Args as ClapArgs, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::page::Page;

/// `completions`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example: testudoctl completions bash > /usr/share/bash-completion/completions/testudoctl"
)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs `man`.
///
/// # Errors
/// When the reader is gone.
pub fn man(page: &Page) -> Result<(), Failure> {
    Ok(page.text(&man_page()?)?)
}

/// Runs `completions`.
///
/// # Errors
/// When the reader is gone.
pub fn completions(args: &CompletionsArgs, page: &Page) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "testudoctl", &mut text);
    Ok(page.text(&String::from_utf8_lossy(&text))?)
}

/// `testudoctl(1)`, every command in one page.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn man_page() -> Result<String, Failure> {
    let mut command = Cli::command().disable_help_flag(true).disable_version_flag(true);
    command.build();
    let mut out = Vec::new();
    let main = clap_mangen::Man::new(command.clone()).manual("Testudo").date("");
    main.render_title(&mut out)?;
    main.render_name_section(&mut out)?;
    main.render_synopsis_section(&mut out)?;
    main.render_description_section(&mut out)?;
    main.render_options_section(&mut out)?;
    out.extend_from_slice(b".SH COMMANDS\n");
    let mut text = String::from_utf8_lossy(&out).into_owned();
    for sub in command.get_subcommands() {
        describe(sub, "", &mut text);
    }
    let mut out = Vec::new();
    main.render_extra_section(&mut out)?;
    text.push_str(&String::from_utf8_lossy(&out));
    Ok(text)
}

/// One command, or those under it.
fn describe(command: &clap::Command, parent: &str, out: &mut String) {
    let name = format!("{parent}{}", command.get_name());
    if command.has_subcommands() {
        for sub in command.get_subcommands() {
            describe(sub, &format!("{name} "), out);
        }
        if command.is_subcommand_required_set() {
            return;
        }
    }
    let mut heading = format!("\\fB{}\\fR", roff(&name));
    let arguments = || command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
    for arg in arguments() {
        let value =
            arg.get_value_names().and_then(<[_]>::first).map(|name| format!("\\fI{}\\fR", roff(name)));
        match (arg.get_long(), value) {
            (Some(long), Some(value)) if arg.get_action().takes_values() => {
                heading.push_str(&format!(" [\\fB{}\\fR {value}]", roff(&format!("--{long}"))));
            }
            (Some(long), _) => heading.push_str(&format!(" [\\fB{}\\fR]", roff(&format!("--{long}")))),
            (None, Some(value)) => heading.push_str(&format!(" {value}")),
            (None, None) => {}
        }
    }
    out.push_str(&format!(".SS {heading}\n"));
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    out.push_str(&format!("{}\n", roff(&about.map_or_else(String::new, |about| format!("{about}.")))));
    for arg in arguments() {
        let label = arg.get_long().map_or_else(
            || {
                let name = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
                format!("\\fI{}\\fR", roff(name))
            },
            |long| format!("\\fB{}\\fR", roff(&format!("--{long}"))),
        );
        let mut help = format!("{}.", arg.get_help().map(ToString::to_string).unwrap_or_default());
        if !arg.get_action().takes_values() {
            out.push_str(&format!(".TP\n{label}\n{}\n", roff(&help)));
            continue;
        }
        let words: Vec<_> = arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
        if !words.is_empty() {
            help.push_str(&format!(" One of: {}.", words.join(", ")));
        }
        if let Some(default) = arg.get_default_values().first().filter(|value| !value.is_empty()) {
            help.push_str(&format!(" Default: {}.", default.to_string_lossy()));
        }
        out.push_str(&format!(".TP\n{label}\n{}\n", roff(&help)));
    }
    if let Some(after) = command.get_after_help() {
        out.push_str(&format!(".PP\n.nf\n{}\n.fi\n", roff(&after.to_string())));
    }
}

/// Text that roff shows as it is.
fn roff(text: &str) -> String {
    text.lines()
        .map(|line| {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
        })
        .collect::<Vec<_>>()
        .join("\n")
}
