//! Sessions as requests meet them: what a cookie says, whether it is believed, and what is known of whom it names.
//!
//! In goes the text of a cookie, out comes a [`Token`] or the reason why there is none ([`Invalid`]). A token is signed, so that nobody makes
//! one up, and says nothing of the user: what a session holds is in the store, under the token's id.

mod followed;
mod invalid;
mod orders;
mod owner;
mod record;
mod said;
mod shape;
mod shapes;
mod token;
mod told;
mod value;
mod visitor;

pub use crate::signing::{Keys, SECRET_LEAST, SECRETS_MAX};
pub use invalid::Invalid;
pub use orders::{Change, Orders, Over};
pub use record::Record;
pub use said::{BadWord, said};
pub use shape::Shape;
pub(crate) use shapes::Shapes;
pub use token::{ID_LEN, TOKEN_MAX, Token};
pub use told::{FAMILY, is_told, told};
pub use value::Value;
pub use visitor::{Obeyed, Standing, Visitor};
