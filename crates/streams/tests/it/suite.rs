//! What every lane must do.

mod fixture;
mod lifecycle;
mod limits;
mod on_demand;
mod reading;
mod resharding;
mod settings;
mod subscribing;

/// The store of the lane that this suite is called after.
fn store_config() -> store::Config {
    if module_path!().ends_with("bucket") {
        store::Config::in_memory_bucket()
    } else {
        store::Config::in_memory()
    }
}
