//! Puts that broke off: those of other files that lie here, and the end of one whose item was made known already.

use std::{fs, io, path::Path, time::SystemTime};

use x0_crypto::{Identity, sublime::ItemParts};

use super::{
    super::{Context, error::CliError},
    answers::parse,
    card::{CardMade, NewCard},
    draft::{Draft, DraftError},
    on_file, own_dir,
    put::PutArgs,
};
use crate::api::{sublime::ItemView, view::StatusView};

/// Says that puts of other files lie interrupted here, and which are too old.
pub(super) fn tell_others(context: &Context, draft: &Draft) -> io::Result<()> {
    let others = draft.look_at_others(SystemTime::now())?;
    if others.wiped > 0 {
        context.output.note(&format!(
            "Puts of other files that broke off more than 30 days ago, and are wiped: {}. Such a file is sealed anew if it is put \
             again.",
            others.wiped
        ));
    }
    if others.waiting > 0 {
        context.output.note(&format!(
            "Puts of other files that lie interrupted here: {}. Each goes on when its file is put again.",
            others.waiting
        ));
    }
    Ok(())
}

/// Ends a put that broke off after its item was made known: writes the card, if it was to get one, and overwrites the draft.
pub(super) async fn end_left(
    context: &Context,
    args: &PutArgs,
    item: &ItemView,
) -> Result<Option<CardMade>, CliError> {
    let dir = own_dir(context, "puts")?;
    let Ok(found) = fs::metadata(args.file()) else {
        return Ok(None);
    };
    let draft = Draft::find(&dir, &found).map_err(|cause| on_draft(&dir, args.file(), cause))?;
    let Some(draft) = draft else { return Ok(None) };
    let signer = Identity::from_seed(parts_of(&draft).signing_seed.clone());
    if signer.public().to_string() != item.key {
        return Ok(None);
    }
    let made = match draft.card() {
        Some(_) => {
            let card = args.card().plan(context).await?.ok_or_else(|| {
                CliError::Usage(format!(
                    "{} was to get a recovery card, which may not be written yet: say the command with --card FILE, as before",
                    item.item
                ))
            })?;
            make_card_of(context, item, (&draft, &card)).await?
        }
        None => None,
    };
    draft.wipe().map_err(|cause| on_file(&dir, &cause))?;
    Ok(made)
}

/// Writes the card of an item that was made known before, unless it was revoked since: it may not have been written.
pub(super) async fn make_card_of(
    context: &Context,
    item: &ItemView,
    (draft, card): (&Draft, &NewCard),
) -> Result<Option<CardMade>, CliError> {
    let counts = item.card.as_ref().is_some_and(|terms| !terms.revoked);
    let Some(seed) = draft.card().filter(|_| counts) else {
        return Ok(None);
    };
    let status: StatusView = context.client()?.get("/v1/status").await?;
    let item = (parse("mesh", &status.mesh)?, parse("item", &item.item)?);
    card.make(context, item, &seed).map(Some)
}

/// Says what keeps a draft from being used.
pub(super) fn on_draft(dir: &Path, file: &Path, error: DraftError) -> CliError {
    match error {
        DraftError::InUse => CliError::Failed(format!("{}: {error}", file.display())),
        DraftError::Io(cause) => on_file(dir, &cause),
    }
}

/// Draws the parts of an item's key that a draft stands for.
pub(super) fn parts_of(draft: &Draft) -> ItemParts {
    match draft.card() {
        Some(card) => ItemParts::draw_with_card(draft.seed(), b"", &card),
        None => ItemParts::draw(draft.seed(), b""),
    }
}
