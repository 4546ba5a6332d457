//! State machines of the grants that oxide-auth does not have, by its own contract: `new(&dyn Request)` checks the
//! request, `advance(Input) -> Output` asks the driver for one thing at a time. They do no input or output, keep no
//! clock, and cannot be made to skip a step.

pub mod device_code;
pub mod password;
