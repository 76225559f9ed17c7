//! Rocket's configuration, and the environment's.

use std::error::Error;

use anysession::{Config, ConfigBuilder};
use rocket::figment::{self, Figment};
use serde::de::DeserializeSeed;

/// On top of what the application chose: the table `session` of Rocket's configuration, and then the variables.
pub(crate) fn read(
    figment: &Figment,
    mut builder: ConfigBuilder,
) -> Result<Config, Box<dyn Error + Send + Sync>> {
    match figment.find_value(TABLE) {
        Ok(table) => {
            let located = |error| locate(error, figment);
            builder = builder.deserialize(&table).map_err(located)?;
        }
        Err(error) if error.missing() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(builder.with_env()?.build()?)
}

const TABLE: &str = "session";

/// Says in which file or variable it is.
fn locate(error: figment::Error, figment: &Figment) -> figment::Error {
    let mut error = error.with_path(TABLE);
    error.profile = Some(figment.profile().clone());
    error.metadata = figment.find_metadata(TABLE).cloned();
    error
}
