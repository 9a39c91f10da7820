/** Programs that fetch by POP3, 200 messages, one of 25 MB. Every kind of hostile message, by fetchmail, mpop, getmail6, curl, poplib and Thunderbird. */
import { hardMails, pythonMails } from '../../support/corpus.ts'
import { everyProgramTakes, ODD } from './corpus.ts'

everyProgramTakes(hardMails(200 - pythonMails().length - ODD.length))
