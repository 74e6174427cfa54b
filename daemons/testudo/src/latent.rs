//! Files that run later: what somebody else's program reads and obeys, outside of any sandbox, when its time comes.
//!
//! To write one is to run something, only not now; so prompts say it, and rules can tell such a change from others.
//! The list is data with a reason for each row: what is run or obeyed though nobody asks for just that. A Makefile or
//! a test is not in it, as it runs when somebody wants it to; the list cannot be complete.

/// A row: how the path ends, and who runs it when. A `*` at an end of a name stands for anything; a row that ends in
/// `/` means everything below such a folder.
type Row = (&'static str, &'static str);

/// All rows; the first that fits is said.
const ROWS: [Row; 71] = [
    (".git/", "git reads it, and runs its hooks and settings, at the owner's next command"),
    (".githooks/", "git may run it as a hook"),
    (".husky/", "git may run it as a hook"),
    (".gitconfig", "git obeys it at its next command"),
    (".gitmodules", "git fetches from where it says"),
    (".config/git/", "git obeys it at its next command"),
    (".gitattributes", "git chooses filter and merge programs by it"),
    (".bashrc", "the next shell runs it"),
    (".bash_profile", "the next login runs it"),
    (".bash_login", "the next login runs it"),
    (".bash_logout", "the end of a login runs it"),
    (".bash_aliases", "the next shell runs it"),
    (".profile", "the next login runs it"),
    (".zshrc", "the next shell runs it"),
    (".zshenv", "the next shell runs it"),
    (".zprofile", "the next login runs it"),
    (".zlogin", "the next login runs it"),
    (".zlogout", "the end of a login runs it"),
    (".kshrc", "the next shell runs it"),
    (".inputrc", "the next shell binds keys by it"),
    ("config.fish", "the next shell runs it"),
    (".config/fish/", "the next shell runs what is inside"),
    (".config/environment.d/", "the next login sets variables by it, such as what is loaded into programs"),
    (".envrc", "direnv runs it when somebody enters the folder"),
    (".xprofile", "the next graphical login runs it"),
    (".xinitrc", "the next graphical login runs it"),
    (".xsession", "the next graphical login runs it"),
    (".config/autostart/", "the next graphical login runs it"),
    ("*.desktop", "a desktop runs it at a click"),
    (".config/systemd/", "systemd runs it in the owner's name"),
    ("*.service", "systemd can run it"),
    ("*.timer", "systemd can run something by it"),
    ("*.socket", "systemd can run something by it"),
    ("*.path", "systemd can run something by it"),
    ("crontab", "cron can run it"),
    (".ssh/", "ssh lets people in and runs commands by it"),
    (".vimrc", "the next editor runs it"),
    (".vim/", "the next editor runs what is inside"),
    (".config/nvim/", "the next editor runs what is inside"),
    (".nvim.lua", "the next editor runs it"),
    (".exrc", "the next editor runs it"),
    (".nvimrc", "the next editor runs it"),
    (".emacs", "the next editor runs it"),
    (".emacs.d/", "the next editor runs what is inside"),
    (".dir-locals.el", "the next editor runs it"),
    (".vscode/", "the editor runs tasks and settings of it"),
    ("*.code-workspace", "the editor runs tasks and settings of it"),
    (".idea/", "the editor runs tasks and settings of it"),
    (".devcontainer/", "the editor builds and runs a container by it"),
    (".github/workflows/", "the next push runs it"),
    (".gitlab-ci.yml", "the next push runs it"),
    (".circleci/", "the next push runs it"),
    (".pre-commit-config.yaml", "the next commit runs what it names"),
    ("lefthook.yml", "the next commit runs what it names"),
    (".cargo/config.toml", "cargo runs the compilers and programs that it names, also for an editor"),
    (".cargo/config", "cargo runs the compilers and programs that it names, also for an editor"),
    ("build.rs", "cargo runs it before it builds, also for an editor"),
    ("package.json", "npm runs its scripts when it installs"),
    (".npmrc", "npm fetches from where it says, and runs the shell that it names"),
    (".yarnrc.yml", "yarn runs the program that it names in its own place"),
    (".pnpmfile.cjs", "pnpm runs it when it installs"),
    (".mise.toml", "mise sets variables and runs hooks by it when somebody enters the folder"),
    ("mise.toml", "mise sets variables and runs hooks by it when somebody enters the folder"),
    ("*.pth", "Python can run it whenever it starts"),
    ("sitecustomize.py", "Python runs it whenever it starts"),
    ("usercustomize.py", "Python runs it whenever it starts"),
    ("conftest.py", "pytest runs it before it looks for tests"),
    (".gdbinit", "the next debugger runs it"),
    (".lldbinit", "the next debugger runs it"),
    (".tmux.conf", "the next terminal session runs it"),
    (".testudo/", "Testudo itself reads it"),
];

/// Who runs a file of the workspace later, and when; none for a file that only lies there.
pub fn runs_later(path: &str) -> Option<&'static str> {
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    ROWS.iter().find(|(row, _)| fits(row, &names)).map(|(_, reason)| *reason)
}

fn fits(row: &str, names: &[&str]) -> bool {
    let wanted: Vec<&str> = row.trim_end_matches('/').split('/').collect();
    let same = |part: &[&str]| part.iter().zip(&wanted).all(|(name, wanted)| name_fits(wanted, name));
    if row.ends_with('/') {
        // The folder itself too: a link or a file in its place is the same thing.
        return names.windows(wanted.len()).any(same);
    }
    names.len().checked_sub(wanted.len()).and_then(|from| names.get(from..)).is_some_and(same)
}

/// File systems that do not tell capitals apart are somebody's, too.
fn name_fits(wanted: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    match wanted.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => name == wanted.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_later_is_known_wherever_it_lies() {
        for path in [
            ".bashrc",
            "home/.bashrc",
            "a/.BashRC",
            ".envrc",
            "x/.git/hooks/pre-commit",
            "x/.git",
            ".github/workflows/ci.yml",
            "units/evil.service",
            ".config/systemd/user/a",
            "./.profile",
            ".ssh/authorized_keys",
            "x/.cargo/config.toml",
            "web/package.json",
            ".config/fish/conf.d/a.fish",
            ".config/environment.d/10.conf",
            ".config/git/config",
            ".emacs.d/init.el",
            ".vim/plugin/x.vim",
            "lib/python3/site-packages/x.pth",
            "tests/conftest.py",
            "all.code-workspace",
            ".circleci/config.yml",
        ] {
            assert!(runs_later(path).is_some(), "{path}");
        }
    }

    #[test]
    fn what_only_lies_there_is_not_marked() {
        for path in [
            "notes/a.txt",
            "bashrc",
            "src/main.rs",
            ".github/CODEOWNERS",
            "services.txt",
            "git/config",
            "Makefile",
            "cargo/config.toml",
            "",
        ] {
            assert_eq!(runs_later(path), None, "{path}");
        }
    }
}
