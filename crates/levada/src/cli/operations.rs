//! The arguments of what works on a data folder itself: doctor, backup, restore, du, cat.

use clap::{Args, ValueEnum};

use super::Folder;

/// What to check, and what to mend.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Cut what was never acknowledged, and keep and name what is damaged
    #[arg(long)]
    pub(crate) repair: bool,
    /// Take note that this is lost, by the name that doctor gives it; may be repeated
    #[arg(long, value_name = "NAME", requires = "repair")]
    pub(crate) accept_loss: Vec<String>,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to back up, and where to.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The place of backups: a folder, or s3://name/prefix, reached as LEVADA_BUCKET_… or AWS_… say
    #[arg(value_name = "DIR|URL")]
    pub(crate) place: String,
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Give segments a second name instead of copying them, where both are on one file system
    #[arg(long)]
    pub(crate) link: bool,
    /// Remove all but this many of the newest backups
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: Option<u32>,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to restore, and where to.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The place of backups: a folder, or s3://name/prefix, reached as LEVADA_BUCKET_… or AWS_… say
    #[arg(value_name = "DIR|URL")]
    pub(crate) place: String,
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// A backup by its number, if it is not the newest
    #[arg(long, value_name = "NUMBER")]
    pub(crate) point: Option<u64>,
    /// Only read and check all of it
    #[arg(long)]
    pub(crate) check: bool,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to show of a folder's use.
#[derive(Debug, Args)]
pub(crate) struct Du {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to print, and how.
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// A path, a file of the data folder such as ring/0000000000000001, or a segment's number
    #[arg(value_name = "FILE|SEGMENT")]
    pub(crate) file: String,
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// How to show keys and data
    #[arg(long = "as", value_enum, default_value_t = Shown::Text)]
    pub(crate) shown: Shown,
    /// Only the index: chunks and blocks without their entries
    #[arg(long)]
    pub(crate) index: bool,
    /// Print a JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    /// As text, what is none escaped
    Text,
    /// As hexadecimal digits
    Hex,
}
