//! The zygote without the layers named on its command line, for tests of what each layer stops.
//!
//! `testudo-sandbox-ablated WORKSPACE SCRATCH PROGRAMS LAYER,… TEMPLATE --connection-fd N`

use testudo_sandbox::activation;
use testudo_sandbox::layers::{Layer, Layers};
use testudo_sandbox::template::Template;
use testudo_sandbox::zygote::{Deployment, serve};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workspace, scratch, programs, missing, template, _, connection] = arguments.as_slice() else {
        anyhow::bail!("seven arguments are needed");
    };
    let missing: Vec<Layer> = missing
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| Layer::ALL.into_iter().find(|layer| format!("{layer:?}") == name))
        .collect::<Option<_>>()
        .ok_or_else(|| anyhow::anyhow!("no such layer in {missing}"))?;
    let deployment = Deployment {
        workspace: workspace.into(),
        scratch: scratch.into(),
        programs: vec!["/usr".into(), programs.into()],
        template: Template::of_name(template)
            .ok_or_else(|| anyhow::anyhow!("no such template: {template}"))?,
        egress: None,
        tool_root: None,
    };
    serve(activation::connection(Some(connection.parse()?))?, deployment, Layers::without(&missing))?;
    Ok(())
}
