//! The containers that the operator allows, by name: `[toold.containers.NAME]` of `testudo.toml`.
//!
//! Read here again, because this runner has rights that the daemon in front of it has not: that one can name a
//! container and never an image. Everything else in the file is the daemons' own parser's to judge.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// An image that cannot change: a repository and the digest of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

/// The images by the names of their containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeMap<String, Image>);

/// Why it is not known what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum AllowedError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no TOML, or the table is of another shape.
    #[error("cannot read the containers of {path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        source: Box<toml::de::Error>,
    },
    /// An image is named by something that can change.
    #[error("cannot use the image of the container {container}: {reason}")]
    Image {
        /// The container.
        container: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    toold: Toold,
}

#[derive(Default, Deserialize)]
struct Toold {
    #[serde(default)]
    containers: BTreeMap<String, Container>,
}

#[derive(Deserialize)]
struct Container {
    image: String,
}

impl Allowed {
    /// Reads the configuration.
    ///
    /// # Errors
    /// It cannot be read, or one of the images has no digest.
    pub fn load(path: &Path) -> Result<Self, AllowedError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| AllowedError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| match error {
            Ok(error) => error,
            Err(source) => AllowedError::Parse { path: path.to_owned(), source: Box::new(source) },
        })
    }

    fn parse(text: &str) -> Result<Self, Result<AllowedError, toml::de::Error>> {
        let file: File = toml::from_str(text).map_err(Err)?;
        let images =
            file.toold.containers.into_iter().map(|(container, Container { image })| match image.parse() {
                Ok(image) => Ok((container, image)),
                Err(reason) => Err(Ok(AllowedError::Image { container, reason })),
            });
        images.collect::<Result<_, _>>().map(Self)
    }

    /// The image of a container.
    pub fn image(&self, container: &str) -> Option<&Image> {
        self.0.get(container)
    }
}

impl FromStr for Image {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((repository, digest)) = text.split_once("@sha256:") else {
            return Err("it has no digest (REPOSITORY@sha256:…), and a tag may be another image tomorrow");
        };
        if digest.len() != 64 || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("its digest is not 64 digits of lower-case hexadecimal");
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/:".contains(&byte);
        let starts = repository.starts_with(|first: char| first.is_ascii_alphanumeric());
        // A port has a colon, too, but what follows the last slash is then a name without one.
        let tagged = repository.rsplit('/').next().is_some_and(|name| name.contains(':'));
        if !starts || !repository.bytes().all(plain) || repository.len() > 255 {
            return Err("its repository is no plain name");
        }
        if tagged {
            return Err("it has a tag beside its digest; leave the tag out");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "7cf859ab6ea0f9555bd2560a52e573dd33a30f738edef8dac779b791c94b088f";

    #[test]
    fn only_a_digest_names_an_image() {
        for repository in ["docker.io/library/python", "localhost/tool", "registry:5000/a/b", "alpine"] {
            assert!(format!("{repository}@sha256:{DIGEST}").parse::<Image>().is_ok(), "{repository}");
        }
        for wrong in [
            "alpine".to_owned(),
            "alpine:latest".to_owned(),
            format!("alpine:3@sha256:{DIGEST}"),
            format!("alpine@sha512:{DIGEST}"),
            format!("alpine@sha256:{}", DIGEST.to_uppercase()),
            format!("alpine@sha256:{}", &DIGEST[1..]),
            format!("--privileged@sha256:{DIGEST}"),
            format!("@sha256:{DIGEST}"),
            format!("a b@sha256:{DIGEST}"),
            format!("alpine@sha256:{DIGEST} --privileged"),
        ] {
            assert!(wrong.parse::<Image>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_table_is_found_in_the_whole_file() {
        let text = format!(
            "[modeld]\nprovider = \"rehearsal\"\n[toold]\nburst = 5\n[toold.containers.python]\nimage = \"docker.io/python@sha256:{DIGEST}\"\n"
        );
        let allowed = Allowed::parse(&text).unwrap();
        assert_eq!(allowed.image("python").unwrap().to_string(), format!("docker.io/python@sha256:{DIGEST}"));
        assert_eq!(allowed.image("other"), None);
        assert_eq!(Allowed::parse("").unwrap(), Allowed::default());
        let tagged = Allowed::parse("[toold.containers.python]\nimage = \"python:3\"\n");
        assert!(matches!(tagged, Err(Ok(AllowedError::Image { .. }))), "{tagged:?}");
        assert!(matches!(Allowed::parse("[toold.containers]\npython = \"x\"\n"), Err(Err(_))));
    }
}
