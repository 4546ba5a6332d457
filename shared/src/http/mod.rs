//! What both services do alike around their routes: bind and drain ([`serve`]), request ids, limits and the last line of
//! errors ([`layers`]), strict decoding ([`percent`]), RFC 9457 problem documents ([`problem`]), documentation from the
//! code ([`docs`]).

pub mod docs;
pub mod layers;
pub mod percent;
pub mod problem;
pub mod serve;
pub mod trace;
