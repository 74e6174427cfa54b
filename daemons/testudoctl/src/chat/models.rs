//! `/model`: which models there are.

use serde::Deserialize;
use testudo::proxy::Models1Proxy;

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::screen;

/// One of those that `modeld` lists.
#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    provider: String,
    configured: bool,
}

/// The list, and that none is chosen here, when one is wanted.
///
/// # Errors
/// When `modeld` does not answer.
pub async fn text(link: &Link, wanted: Option<&str>) -> Result<String, Failure> {
    let models = Models1Proxy::new(link.connection()).await.doing("reach modeld")?;
    let models: Vec<Model> = link::read("modeld", &models.list().await.doing("list the models")?)?;
    Ok(shown(&models, wanted))
}

fn shown(models: &[Model], wanted: Option<&str>) -> String {
    let mut out = String::new();
    for model in models {
        let mark = if model.configured { "●" } else { "○" };
        let (name, provider) = (screen::brief(&model.name, 80), screen::brief(&model.provider, 40));
        out.push_str(&format!("{mark} {name} ({provider})\n"));
    }
    match wanted {
        Some(wanted) if models.iter().any(|model| model.configured && model.name == wanted) => {
            out.push_str("It answers already.\n");
        }
        Some(_) => out.push_str(
            "Nothing was changed: in this version the model is chosen in testudo.toml, [modeld] model.\n",
        ),
        None => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_is_marked_and_nothing_is_chosen() {
        let model =
            |name: &str, configured| Model { name: name.into(), provider: "openai".into(), configured };
        let models = [model("big\u{202e}", true), model("small", false)];
        assert_eq!(shown(&models, None), "● big\\u{202e} (openai)\n○ small (openai)\n");
        assert!(shown(&models, Some("small")).ends_with("[modeld] model.\n"));
        assert!(shown(&models, Some("big\u{202e}")).ends_with("It answers already.\n"));
    }
}
