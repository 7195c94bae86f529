"""The passes of the canonical view: each undoes one kind of disguise and keeps the way back. `view` composes them."""
