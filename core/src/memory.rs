use crate::driver::*;
pub const DRIVER: Driver = Driver {
    name: "memory",
    schemes: &[],
    connect: |_| Box::pin(async { todo!() }),
};
