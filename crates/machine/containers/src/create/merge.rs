//! What a person asked for over what the image says, by Docker's rules. Pure.
