//! `[toold.containers.NAME]`: images that the operator lets programs run in, each by the digest of its manifest.

use crate::config::reader::Table;

/// A container that tools may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name: 1 to 64 lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// `REPOSITORY@sha256:DIGEST`, without a tag.
    pub image: String,
}

impl Container {
    pub(super) fn read(table: &Table<'_>) -> Vec<Self> {
        let mut containers = Vec::new();
        for (name, value) in table.entries() {
            let Some(table) = value.table("toold.containers.NAME") else { continue };
            if !is_name(&name) {
                table.refuse(
                    "image",
                    "its container's name is not 1 to 64 lower-case letters, digits, - and _",
                );
            }
            match table.string("image") {
                Some(image) => match pinned(&image) {
                    Ok(()) => containers.push(Self { name, image }),
                    Err(reason) => table.refuse("image", reason),
                },
                None if table.value("image").is_none() => {
                    table.require("image", "REPOSITORY@sha256:DIGEST, which cannot become another image");
                }
                None => {}
            }
            table.finish();
        }
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        containers
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// The runner, which has the last word, asks for the same.
fn pinned(image: &str) -> Result<(), &'static str> {
    let Some((repository, digest)) = image.split_once("@sha256:") else {
        return Err("expected REPOSITORY@sha256:DIGEST: a tag may be another image tomorrow");
    };
    if digest.len() != 64 || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("its digest must have 64 digits of lower-case hexadecimal");
    }
    if repository.rsplit('/').next().is_some_and(|name| name.contains(':')) {
        return Err("it has a tag beside its digest; leave the tag out");
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/:".contains(&byte);
    let begins = repository.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins && repository.len() <= 255 && repository.bytes().all(plain) {
        Ok(())
    } else {
        Err("its repository must be a plain name of lower-case letters")
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const DIGEST: &str = "7cf859ab6ea0f9555bd2560a52e573dd33a30f738edef8dac779b791c94b088f";

    #[test]
    fn an_image_is_named_by_its_digest() {
        let text = format!("[toold.containers.py-3]\nimage = \"docker.io/library/python@sha256:{DIGEST}\"\n");
        let config = parse("t", &text).unwrap();
        let [container] = config.toold.containers.as_slice() else { panic!("{config:?}") };
        assert_eq!((container.name.as_str(), container.image.len()), ("py-3", 24 + 8 + 64));
        assert!(parse("t", "").unwrap().toold.containers.is_empty());
    }

    #[test]
    fn anything_else_is_refused_where_it_stands() {
        let tagged =
            parse("testudo.toml", "[toold.containers.py]\nimage = \"python:3\"\n").unwrap_err().to_string();
        assert!(
            tagged.contains("testudo.toml:2:") && tagged.contains("a tag may be another image"),
            "{tagged}"
        );
        for wrong in [
            format!("image = \"python:3@sha256:{DIGEST}\""),
            format!("image = \"python@sha256:{}\"", &DIGEST[2..]),
            format!("image = \"--privileged@sha256:{DIGEST}\""),
            format!("image = \"python@sha256:{DIGEST}\"\npull = true"),
            "image = 3".to_owned(),
            String::new(),
        ] {
            assert!(parse("t", &format!("[toold.containers.py]\n{wrong}\n")).is_err(), "{wrong}");
        }
        let named = format!("[toold.containers.\"Py 3\"]\nimage = \"python@sha256:{DIGEST}\"\n");
        assert!(parse("t", &named).is_err());
    }
}
