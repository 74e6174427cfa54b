//! What this machine offers: the kernel, Landlock, user namespaces. Judging is apart from reading.

use std::fs;

use super::{Check, Outcome};

/// The kernel that everything is made for.
const KERNEL_FLOOR: (u32, u32) = (6, 12);

/// All checks that need no daemon.
pub fn checks() -> Vec<Check> {
    let read = |path: &str| fs::read_to_string(path).ok();
    vec![
        kernel(&read("/proc/sys/kernel/osrelease").unwrap_or_default()),
        landlock(read("/sys/kernel/security/lsm").as_deref()),
        user_namespaces(
            read("/proc/sys/user/max_user_namespaces").as_deref(),
            read("/proc/sys/kernel/unprivileged_userns_clone").as_deref(),
            read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref(),
        ),
    ]
}

fn kernel(release: &str) -> Check {
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let found = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (0, 0),
    };
    let detail = format!("Linux {}", release.trim());
    if found >= KERNEL_FLOOR {
        Check::pass("kernel", detail)
    } else {
        Check::bad(
            Outcome::Warn,
            "kernel",
            detail,
            "Linux 6.12 or later is what it is made for and tested with",
        )
    }
}

/// `lsm` is the kernel's list of security modules; it cannot be read everywhere.
fn landlock(lsm: Option<&str>) -> Check {
    match lsm {
        Some(list) if list.trim().split(',').any(|name| name == "landlock") => {
            Check::pass("landlock", "it is on")
        }
        Some(_) => Check::bad(
            Outcome::Fail,
            "landlock",
            "the kernel runs without it, so no tool runs in the sandbox",
            "add landlock to lsm= on the kernel command line",
        ),
        None => Check::bad(
            Outcome::Warn,
            "landlock",
            "/sys/kernel/security/lsm cannot be read here; the sandbox check below tells",
            "",
        ),
    }
}

fn user_namespaces(most: Option<&str>, clone: Option<&str>, apparmor: Option<&str>) -> Check {
    let is_zero = |text: Option<&str>| text.map(str::trim) == Some("0");
    let fail = |detail, fix| Check::bad(Outcome::Fail, "user namespaces", detail, fix);
    if is_zero(most) {
        fail("user.max_user_namespaces is 0", "sysctl user.max_user_namespaces=10000")
    } else if is_zero(clone) {
        fail("kernel.unprivileged_userns_clone is 0", "sysctl kernel.unprivileged_userns_clone=1")
    } else if apparmor.map(str::trim) == Some("1") {
        Check::bad(
            Outcome::Warn,
            "user namespaces",
            "AppArmor restricts them; the sandbox check below tells",
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for testudo-sandbox",
        )
    } else {
        Check::pass("user namespaces", "they are allowed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_compared_by_number() {
        for (release, outcome) in [
            ("6.12.0-cloud-amd64\n", Outcome::Pass),
            ("7.0.1", Outcome::Pass),
            ("6.9.12", Outcome::Warn),
            ("5.15.0", Outcome::Warn),
            ("", Outcome::Warn),
        ] {
            assert_eq!(kernel(release).outcome, outcome, "{release}");
        }
    }

    #[test]
    fn landlock_must_be_in_the_list() {
        assert_eq!(landlock(Some("lockdown,capability,landlock,yama\n")).outcome, Outcome::Pass);
        assert_eq!(landlock(Some("lockdown,capability\n")).outcome, Outcome::Fail);
        assert_eq!(landlock(None).outcome, Outcome::Warn);
    }

    #[test]
    fn every_switch_of_user_namespaces_counts() {
        for (most, clone, apparmor, outcome) in [
            (Some("63000\n"), None, None, Outcome::Pass),
            (Some("0\n"), None, None, Outcome::Fail),
            (Some("1"), Some("0\n"), None, Outcome::Fail),
            (Some("1"), Some("1"), Some("1\n"), Outcome::Warn),
        ] {
            assert_eq!(user_namespaces(most, clone, apparmor).outcome, outcome);
        }
    }
}
