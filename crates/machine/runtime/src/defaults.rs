//! What a container gets when nobody says otherwise: the defaults of the field.
