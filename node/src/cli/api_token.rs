//! `x0 api-token`: who may call the node's API over the loopback.
//!
//! A running node does it itself; otherwise its file of tokens is changed here.

use clap::Subcommand;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Table, date},
};
use crate::api::{
    capability_view::now_secs,
    control::{AddTokenBody, AddedTokenView},
    tokens::{ApiTokenView, ApiTokens, Scope},
    view::DoneView,
};

#[derive(Debug, Subcommand)]
pub(super) enum ApiTokenCommand {
    /// Make a token and print it; it is shown this once
    #[command(after_help = "Example:\n  x0 api-token add monitoring --scope read")]
    Add {
        /// What it is for
        name: String,
        /// What it allows: read, act, admin or dashboard; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
    },
    /// List the tokens, without their secrets
    #[command(after_help = "Example:\n  x0 api-token list")]
    List,
    /// Remove a token; whoever uses it is a stranger from now on
    #[command(after_help = "Example:\n  x0 api-token remove 0a1b2c3d")]
    Remove {
        /// Which, as `x0 api-token list` shows it
        id: String,
    },
}

/// Answers a command about tokens of the API.
pub(super) async fn answer(context: &Context, command: ApiTokenCommand) -> Result<(), CliError> {
    let client = context.client()?;
    let running = client.is_running().await.then_some(&client);
    match command {
        ApiTokenCommand::Add { name, scopes } => add(context, running, name, scopes).await,
        ApiTokenCommand::List => list(context, running).await,
        ApiTokenCommand::Remove { id } => remove(context, running, &id).await,
    }
}

async fn add(
    context: &Context,
    running: Option<&Client>,
    name: String,
    scopes: Vec<Scope>,
) -> Result<(), CliError> {
    let added: AddedTokenView = match running {
        Some(client) => {
            client
                .post("/v1/api-tokens", &AddTokenBody { name, scopes })
                .await?
        }
        None => {
            let tokens = ApiTokens::open(&context.data_dir)?;
            let (view, token) = tokens.add(&name, &scopes, now_secs())?;
            AddedTokenView {
                token: token.to_string(),
                view,
            }
        }
    };
    context
        .output
        .note("This token is shown only now. Send it as `Authorization: Bearer TOKEN`:");
    context.output.show(&added, |added| added.token.clone())
}

async fn list(context: &Context, running: Option<&Client>) -> Result<(), CliError> {
    let tokens: Vec<ApiTokenView> = match running {
        Some(client) => client.get("/v1/api-tokens").await?,
        None => ApiTokens::open(&context.data_dir)?.list(),
    };
    context.output.show(&tokens, |tokens| {
        let mut table = Table::new(["id", "name", "scopes", "made"]);
        for token in tokens {
            let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.name()).collect();
            let made = date(token.created_secs.saturating_mul(1_000));
            table.row([
                token.id.clone(),
                token.name.clone(),
                scopes.join(", "),
                made,
            ]);
        }
        if table.is_empty() {
            return "There are no API tokens. `x0 api-token add NAME --scope read` makes one."
                .to_owned();
        }
        table.text()
    })
}

async fn remove(context: &Context, running: Option<&Client>, id: &str) -> Result<(), CliError> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id {
        let text = format!("{id:?} is no id of a token: `x0 api-token list` shows them");
        return Err(CliError::Usage(text));
    }
    let done: DoneView = match running {
        Some(client) => client.delete(&format!("/v1/api-tokens/{id}")).await?,
        None => {
            ApiTokens::open(&context.data_dir)?.remove(id)?;
            DoneView {
                done: format!("the API token {id} is removed"),
            }
        }
    };
    context.output.show(&done, |done| done.done.clone())
}
