"""Titles of problems as the error page says them: the API answers in English alone."""

from api.pages.texts import N_

TITLES = (
    N_("No more codes can be sent for now. Book by the clinic's other ways."),
    N_("Other files are still being read. Try again in a moment."),
    N_("Sign in to see this."),
    N_("Sign in with a code as well; set codes up on the sign-in page."),
    N_("Somebody else changed this since it was read."),
    N_("Something in the request is not valid."),
    N_("Something went wrong on our side."),
    N_("The access could not be recorded, so nothing was done."),
    N_("The issuer of this token does not answer now."),
    N_("The request is too large."),
    N_("The request took too long to arrive."),
    N_("The request was refused."),
    N_("The service cannot answer now."),
    N_("There is nothing here."),
    N_("This cannot be done here."),
    N_("This cannot be done now."),
    N_("This is not given in any of the formats that were asked for."),
    N_("This is not kept any longer."),
    N_("This kind of content is not taken here."),
    N_("This was sent from a page of another site."),
    N_("Too many requests. Try again in a moment."),
)
