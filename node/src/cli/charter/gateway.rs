//! `x0 charter gateway` and `x0 charter consent`: what the charter's gateway takes in, and who agreed to it.

use clap::{Args, Subcommand};

use crate::{
    api::gateway::{ConsentView, ConsentsView, GatewayView, SayBody},
    cli::{
        Context,
        error::CliError,
        output::{Facts, Table, date, printable},
    },
};

/// Who is meant where no name is given: the person whose node it is.
const OPERATOR: &str = "operator";

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Show where telemetry is taken in, what was refused and why, and what others may not see
    #[command(
        after_help = "Each refused name stands here with its reason, so that an exporter can be mended. Names are kept in memory \
                      alone and shown to you alone.\n\nExample:\n  x0 charter gateway status --json"
    )]
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Say yes to the collection of a metric
    #[command(
        after_help = "It counts for the metric as it is declared now: an amendment of its purpose, retention, labels or cohort ends \
                      it.\n\nExample:\n  x0 charter consent give session_length --person ada"
    )]
    Give(SayArgs),
    /// Take it back: what was collected is forgotten, and nothing more is taken
    #[command(after_help = "Example:\n  x0 charter consent withdraw session_length --person ada")]
    Withdraw(SayArgs),
    /// List which metrics need consent, and who has said what
    #[command(after_help = "Example:\n  x0 charter consent list")]
    List,
}

#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    /// The metric
    metric: String,
    /// Who says so, by a name that means something on this machine
    #[arg(long, value_name = "NAME", default_value = OPERATOR)]
    person: String,
}

/// Answers a command about the gateway.
pub(super) async fn gateway(context: &Context, command: GatewayCommand) -> Result<(), CliError> {
    match command {
        GatewayCommand::Status => {
            let view: GatewayView = context.client()?.get("/v1/charter/gateway").await?;
            context.output.show(&view, status_text)
        }
    }
}

/// Answers a command about consent.
pub(super) async fn consent(context: &Context, command: ConsentCommand) -> Result<(), CliError> {
    match command {
        ConsentCommand::Give(args) => say(context, args, true).await,
        ConsentCommand::Withdraw(args) => say(context, args, false).await,
        ConsentCommand::List => {
            let view: ConsentsView = context.client()?.get("/v1/charter/consents").await?;
            context.output.show(&view, consents_text)
        }
    }
}

async fn say(context: &Context, args: SayArgs, given: bool) -> Result<(), CliError> {
    let SayArgs { metric, person } = args;
    let body = SayBody {
        metric,
        person,
        given,
    };
    let view: ConsentView = context
        .client()?
        .post("/v1/charter/consents", &body)
        .await?;
    context.output.show(&view, |view| {
        let (metric, person) = (printable(&view.metric), printable(&view.person));
        match view.given {
            true => format!("{person} agrees that {metric} is collected."),
            false => {
                format!("{person} no longer agrees: what was collected of {metric} is forgotten.")
            }
        }
    })
}

fn status_text(view: &GatewayView) -> String {
    let mut facts = Facts::default();
    let address = view.address.as_deref().unwrap_or_default();
    let place = match (view.state.as_str(), &view.why) {
        ("open", _) => format!("StatsD by UDP, OTLP and remote write by HTTP, at {address}"),
        ("off", _) => "off: gateway.listen says so".to_owned(),
        (_, Some(why)) => format!("NOT TAKING ANYTHING IN at {address}: {why}"),
        (state, None) => state.to_owned(),
    };
    facts
        .add("gateway", place)
        .add("charter", format!("number {}", view.charter))
        .add("in the kernel", &view.kernel.words)
        .add("series", view.series)
        .add("samples taken", view.taken)
        .add("samples refused", view.refused.values().sum::<u64>());
    let mut text = facts.text();
    let mut targets = Table::new(["node", "exporter", "taken", "refused", "last visit"]);
    for target in &view.targets {
        let number =
            |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
        let at = match &target.why {
            Some(why) => printable(why),
            None => date(target.at_ms),
        };
        targets.row([
            target.node.clone(),
            printable(&target.url),
            number(target.taken),
            number(target.refused),
            at,
        ]);
    }
    let mut refusals = Table::new(["refused", "from", "times", "why"]);
    for refused in &view.refusals {
        refusals.row([
            printable(refused.name.as_deref().unwrap_or("-")),
            printable(&refused.source),
            refused.count.to_string(),
            printable(&refused.words),
        ]);
    }
    let mut withheld = Table::new(["for your eyes only", "nodes", "others see it from"]);
    for one in &view.withheld {
        withheld.row([
            one.metric.clone(),
            one.nodes.to_string(),
            format!("{} nodes", one.cohort_min),
        ]);
    }
    for table in [targets, refusals, withheld] {
        if !table.is_empty() {
            text.push_str(&format!("\n{}", table.text()));
        }
    }
    text
}

fn consents_text(view: &ConsentsView) -> String {
    if view.needed.is_empty() && view.words.is_empty() {
        return "The charter in force lists no metric that needs consent.\n".to_owned();
    }
    let mut needed = Table::new(["metric", "collected"]);
    for (metric, is_given) in &view.needed {
        let collected = if *is_given {
            "yes, by consent"
        } else {
            "no: x0 charter consent give"
        };
        needed.row([metric.clone(), collected.to_owned()]);
    }
    let mut words = Table::new(["metric", "who", "said", "when"]);
    for word in &view.words {
        let said = match (word.given, word.lapsed) {
            (true, false) => "yes",
            (true, true) => "yes, to what it was before an amendment",
            (false, _) => "no",
        };
        words.row([
            printable(&word.metric),
            printable(&word.person),
            said.to_owned(),
            date(word.at_ms),
        ]);
    }
    let mut text = needed.text();
    if !words.is_empty() {
        text.push_str(&format!("\n{}", words.text()));
    }
    text
}
